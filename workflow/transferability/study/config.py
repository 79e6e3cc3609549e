"""Reads a study file into a checked study: fills in defaults and names mistakes before a job runs.

The models in schema.py check each key; checks.py checks what needs several keys, the dataset or the
architecture.
"""

import copy
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from transferability import images, models
from transferability.models import weights
from transferability.storage import files
from transferability.study import checks, mistakes
from transferability.study.design import Study, StudyError
from transferability.study.schema import PUBLISHED, STUDY_NAME, StudyConfig


def read(path: Path | str) -> Study:
    """The complete, checked study of a YAML file.

    Raises StudyError if the file cannot be read or the study cannot be run.
    """
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(
            f"{path}: cannot be read as YAML ({error}); expected a study such as config.yaml or a "
            "file in studies/"
        ) from error
    config = {} if config is None else config
    try:
        check_file(path, config)
        return complete(config)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error


class _Loader(yaml.SafeLoader):
    """Refuses a key that occurs twice in a section; YAML would use only the last."""

    # Checked before construction, which adds merged keys (<<) to those of the section.
    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines:
                raise StudyError(
                    f"{name} is in line {lines[name]} and again in line {line}, and only the last "
                    "would be used; merge the two"
                )
            lines[name] = line
        return node


def check_file(path: Path | str, config: object) -> None:
    """Check the file of a study; `config` is its content and gets its name if it has none.

    Raises StudyError for a key that occurs twice in a section, and for a file name that is not a
    valid study name.
    """
    _Loader(Path(path).read_text(encoding="utf-8")).get_single_node()
    if isinstance(config, dict) and "study" not in config:
        config["study"] = stem = Path(path).stem
        if (name := name_for(stem)) != stem:
            raise StudyError(
                f"study: without this key the study takes the name of its file, but {stem!r} is "
                f"not a valid name; add e.g. `study: {name}` to the file"
            )


def name_for(stem: str) -> str:
    """A valid study name for this name of a file or folder, unchanged if it is valid."""
    if re.fullmatch(STUDY_NAME, stem) and stem != PUBLISHED:
        return stem
    ascii_stem = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return f"my_{re.sub('[^A-Za-z0-9]+', '_', ascii_stem).strip('_') or 'study'}"


def write(study: Study, path: Path) -> None:
    """Write the study with all keys filled in, next to its results."""
    text = yaml.safe_dump(dict(study), sort_keys=False, allow_unicode=True, width=100)
    files.write_text(path, f"# The study as it was run, defaults filled in.\n{text}")


def resolved(path: Path | str) -> Study:
    """The study that a run wrote next to its results: complete, with its layers listed.

    The architecture is not checked again, since that could run the user's code. Raises StudyError
    if there is no such study.
    """
    folder = Path(path).parent
    try:
        # An archive of an earlier version may lack newer keys.
        study = Study(_with_defaults(yaml.safe_load(Path(path).read_text(encoding="utf-8"))))
        if not study["layer_names"] or study["layers"] == "all":
            raise StudyError("layers and layer_names are not filled in")
    except (FileNotFoundError, NotADirectoryError) as error:
        others = sorted(file.parent.name for file in folder.parent.glob("*/study.yaml"))
        raise StudyError(
            f"{path}: does not exist, so {folder} is not a study that was started; studies in "
            f"{folder.parent}: {', '.join(others) or 'none'}"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, StudyError, RecursionError) as error:
        raise StudyError(
            f"{path}: is not a complete study of this version ({error}); snakemake writes it again "
            "when it starts (your own workflow does with transferability.onstart())"
        ) from error
    return study


def typed(value: object) -> object:
    """Nested texts, such as a command line gives, converted to the types that YAML gives."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return yaml.safe_load(value) if isinstance(value, str) else value


def complete(config: dict | None) -> Study:
    """A study with every key filled in and checked, and its layers listed. `config` may contain
    only the keys that differ from the default.

    Raises StudyError with a line for each mistake: the key, its value, the allowed values.
    """
    study = Study(_with_defaults({} if config is None else config))
    _take_transforms(study, config or {})
    try:
        dataset = images.info(study["dataset"])
        architecture = models.info(study["architecture"], study.input_size)
    except ValueError as error:
        raise StudyError(str(error)) from error
    study["layer_names"] = list(architecture.layer_names)
    if study["layers"] == "all":
        study["layers"] = list(range(len(architecture.layer_names)))
    study["layers"].sort()
    checks.check(study, architecture, dataset)
    return study


def _take_transforms(study: Study, config: Mapping) -> None:
    """Fill in the image settings that pretrained weights need, and use them for all networks unless
    the study sets others."""
    dataset, recipe = config.get("dataset", {}), config.get("recipe", {})
    is_given = "image_size" in dataset or "crop" in recipe
    stored: dict[tuple[int, int], str] = {}
    for letter, source in study["sources"].items():
        if not source["weights"]:
            continue
        try:
            wanted = weights.transforms(source, study["architecture"])
        except ValueError as error:
            raise StudyError(f"sources.{letter}.{error}") from error
        source |= {key: value for key, value in vars(wanted).items() if key in source}
        source |= {"mean": list(wanted.mean), "std": list(wanted.std)}
        stored[wanted.image_size, wanted.resize] = letter
        others = [resize for size, resize in stored if size == wanted.image_size]
        if len(others) > 1 and not is_given:
            raise StudyError(
                f"dataset.image_size: {' and '.join(stored.values())} need images that are resized "
                f"to {' and '.join(map(str, others))} pixels; choose one of these, with "
                f"recipe.crop: {wanted.image_size}, or make separate studies"
            )
        if not is_given:
            study["dataset"]["image_size"] = wanted.resize
            is_cropped = wanted.resize != wanted.image_size
            study["recipe"]["crop"] = wanted.image_size if is_cropped else None
        if "interpolation" in study["dataset"] and "interpolation" not in dataset:
            study["dataset"]["interpolation"] = wanted.interpolation


def _with_defaults(config: object) -> dict:
    match config:
        # YAML reads `probes: off` as False.
        case {"probes": False}:
            return _with_defaults({**config, "probes": None})
        case {"architecture": str(build)} if ":" in build:
            config = {**config, "architecture": {"name": "custom", "build": build}}
    try:
        study = StudyConfig.model_validate(config).model_dump()
    except ValidationError as error:
        found = [mistakes.describe(mistake) for mistake in error.errors(include_url=False)]
        raise StudyError("\n".join(dict.fromkeys(found))) from error
    # These contain only the keys that the user wrote, without defaults.
    named = copy.deepcopy({key: config[key] for key in ("overrides", "omit") if key in config})
    for letter, source in study["sources"].items():
        source["recipe"] = copy.deepcopy(config["sources"][letter].get("recipe"))
    return {**study, **named}
