"""Import a study's source: write pretrained weights as if they were a trained base's."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch

from transferability import images
from transferability.models import weights
from transferability.storage.network_folder import NetworkFolder
from transferability.study import networks
from transferability.study.design import Study
from transferability.training import loading

log = logging.getLogger(__name__)


def locate(given: str, architecture: Mapping, root: Path) -> tuple[Path, dict]:
    """The file of a source's `weights`, relative to `root`, and its origin: the given path, or the
    enum and address of weights that torchvision publishes.

    Raises LoadingError if the file of an enum is not in torch's cache; the message says which file
    to download and where to put it. Nothing is downloaded here, since jobs may have no network.
    """
    if not weights.is_enum(given):
        return root / images.path_of(given), {"path": given}
    model = architecture.get("model", "")
    declared = weights.declared(model, given)
    file = Path(torch.hub.get_dir(), "checkpoints", Path(declared.url).name)
    if not file.exists():
        raise loading.LoadingError(
            f"{given} of {model} is not in torch's cache: download {declared.url} on a machine "
            f"with an internet connection and save it as {file}, or set `weights: <its path>`"
        )
    return file, {"enum": given, "url": declared.url}


def import_source(study: Study, letter: str, root: Path, folder: NetworkFolder) -> dict:
    """Write the weights of a study's source to the folder of its base, and return the metrics: the
    origin of the weights, the transforms of their images, and how they were found in their file.

    Relative paths start from `root`. Raises LoadingError, naming the key, if the source cannot be
    used.
    """
    name, architecture = networks.base_name(letter), study["architecture"]
    source = study["sources"][letter]
    try:
        file, origin = locate(source["weights"], architecture, root)
        settings = source if "enum" in origin else {**source, "weights": str(file)}
        transforms = weights.transforms(settings, architecture)
        loaded = loading.load(file, architecture, study.input_size)
    except loading.LoadingError as error:
        raise loading.LoadingError(f"sources.{letter}.weights: {error}") from error
    identity = {"network": name, "architecture": dict(architecture), "source_id": loaded.sha256}
    metrics = {
        **identity,
        "source_kind": "weights",
        "origin": origin,
        "layer_names": study["layer_names"],
        "transforms": {**vars(transforms), "mean": [*transforms.mean], "std": [*transforms.std]},
        **{key: getattr(loaded, key) for key in loaded._fields[2:]},
    }
    log.info(
        "%s: from %s, by the names of %s; removed: %s; left out: %s; changed: %s",
        *(name, file, "its layers" if loaded.names == "layers" else "the original model"),
        " ".join(filter(None, (loaded.wrapper, loaded.prefix))) or "nothing",
        *(", ".join(found) or "nothing" for found in (loaded.left_out, loaded.changes)),
    )
    return metrics | {"weights_sha256": folder.write_weights(loaded.tensors, identity)}
