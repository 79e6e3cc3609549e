"""Packs a study's results into one file to share: a zip archive that is an RO-Crate.

The archive has one folder, named after the study, whose ro-crate-metadata.json gives the kind, size
and sha256 of each file (researchobject.org/ro-crate/specification/1.2). Equal results give equal
bytes.
"""

import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from rocrate.model import ContextEntity, Person
from rocrate.rocrate import ROCrate

from transferability.images.store import CLASSES, MANIFEST
from transferability.records import verify
from transferability.records.archive import METADATA
from transferability.storage import files
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config, targets
from transferability.study.design import Study

DESCRIPTIONS = {
    targets.STUDY: "the study as it was run, every key filled in",
    targets.METHODS: "how the study was made, for the Methods section of a paper",
    targets.FINDINGS: "what the numbers say, in sentences",
    "metrics.json": "a network's final numbers and provenance",
    "history.jsonl": "a network's evaluations, one a line",
    "predictions.npy": "predicted class of each validation image, -1 for those of the other half",
    "weights.safetensors": "a network's weights, by layer",
    targets.PROBES: "scores of layers, and tests of finished networks, of a split and seed",
    "splits": "the two halves of the classes",
    "tables": "a table of the study",
    "figures": "a figure of the study",
    "costs": "time and memory of a job",
    "logs": "the log of a job",
    "images": "of the image store, without images",
    "results": "effects drawn behind the study's",
}
"""The description of each file, by its name or else by its first folder."""
OF_NETWORK = ("metrics.json", "history.jsonl", "predictions.npy")


def pack(
    results: Path,
    to: Path,
    authors: Sequence[str],
    license: str | None,
    *,
    with_weights: bool,
    with_figures: bool,
) -> list[str]:
    """Write the archive of a finished study, and return the names of its files.

    `license` is a name from spdx.org or a web address. Raises ValueError if the study is not
    finished, if its networks differ from those that its trainings wrote, or if `to` exists.
    """
    if to.suffix != ".zip":
        raise ValueError(f"--to: {to} is not an archive's name; expected one that ends in .zip")
    if to.exists():
        raise ValueError(f"--to: {to} already exists; name another file, or delete it")
    study = config.resolved(results / targets.STUDY)
    contents = _contents(results, study, with_weights)
    if not with_figures:
        contents = {name: contents[name] for name in contents if "figures" not in name.split("/")}
    for verdict in verify.verify(results, whole_images=False):
        if verdict.faults:
            raise ValueError(f"{results}: not archived, since files changed: {verdict.faults[0]}")
    manifest = json.dumps(
        _manifest(study, contents, authors, license), indent=2, ensure_ascii=False
    )
    with files.atomic_write(to) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, file in contents.items():
            # Weights look random: compressing them takes long and saves nothing.
            is_weights = name.endswith(".safetensors")
            # No date, so that equal results give equal bytes.
            entry = zipfile.ZipInfo(f"{study['study']}/{name}")
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if is_weights else zipfile.ZIP_DEFLATED
            # zipfile uses this to choose between 32 and 64 bits for sizes.
            entry.file_size = file.stat().st_size
            with file.open("rb") as source, archive.open(entry, "w") as packed:
                shutil.copyfileobj(source, packed)
        entry = zipfile.ZipInfo(f"{study['study']}/{METADATA}")
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, f"{manifest}\n", zipfile.ZIP_DEFLATED)
    return list(contents)


def _contents(results: Path, study: Study, with_weights: bool) -> dict[str, Path]:
    """The files of an archive by their names in it, sorted. Files outside results/<study> have
    their path relative to the folder of the run.

    Raises ValueError if a file is missing.
    """
    run = targets.run_folder(results / targets.STUDY)
    names = [targets.STUDY, *targets.files(study)]
    names += [f"splits/{split}.csv" for split in study.split_names] + targets.probe_files(study)
    records = [*results.glob("logs/**/*.log"), *results.glob("costs/**/*.tsv")]
    records = [file for file in records if "networks" not in file.relative_to(results).parts]
    for split, seed, name in study.trained:
        place = f"networks/{split}/seed{seed}/{name}"
        names += [f"{place}/{file}" for file in OF_NETWORK]
        names += [f"{place}/weights.safetensors"] * (with_weights and study.keeps_weights(name))
        records += [results / f"logs/{place}.log", results / f"costs/{place}.tsv"]
    for letter in study.imported.values():
        names += [f"sources/{letter}/metrics.json"]
        names += [f"sources/{letter}/weights.safetensors"] * with_weights
    contents = {name: results / name for name in names}
    contents |= {file.relative_to(results).as_posix(): file for file in records if file.exists()}
    outside = filter(None, (targets.labels(study), targets.reference(study)))
    contents |= {name: run / name for name in outside}
    of_store = [
        f"{targets.images.STORES}/{targets.images.store_name(dataset)}/{name}"
        for dataset in targets.datasets(study)
        for name in (MANIFEST, CLASSES, targets.LABELS)
    ]
    contents |= {name: run / name for name in of_store if (run / name).exists()}
    missing = [file for file in contents.values() if not file.is_file()]
    if missing:
        raise ValueError(
            f"{results}: {len(missing)} files of the study are missing, e.g. {missing[0]}; run it "
            "to its end with snakemake, then archive it"
        )
    return dict(sorted(contents.items()))


def _manifest(
    study: Study, contents: dict[str, Path], authors: Sequence[str], license: str | None
) -> dict:
    """The metadata of the RO-Crate: the study, its authors, its licence, and a description of each
    file. Its only date is the end of the last training."""
    metrics = [file for name, file in contents.items() if name.endswith("/metrics.json")]
    crate = ROCrate(version="1.2")
    crate.name = f"Results of the study {study['study']}"
    crate.description = (
        f"How transferable the features of a network are, layer by layer: {len(metrics)} networks "
        f"trained on {study['dataset']['source']}, with their tables and figures. "
        f"{targets.METHODS} says how they were made, and each metrics.json by which software."
    )
    trained = [NetworkFolder(file.parent).read_metrics()["job"]["ended"] for file in metrics]
    crate.root_dataset["datePublished"] = max(trained)
    people = [Person(crate, f"#author-{quote(name)}", {"name": name}) for name in authors]
    crate.root_dataset["author"] = [crate.add(person) for person in people]
    crate.license = "No licence was given: ask the authors before you use this."
    if license:
        address = license if "://" in license else f"https://spdx.org/licenses/{quote(license)}"
        about = {"@type": "CreativeWork", "name": license}
        crate.license = crate.add(ContextEntity(crate, address, about))
    for name, file in contents.items():
        path = PurePosixPath(name)
        about = {
            "name": name,
            "description": DESCRIPTIONS.get(path.name) or DESCRIPTIONS[path.parts[0]],
            "contentSize": str(file.stat().st_size),
            "sha256": files.sha256(file),
        }
        crate.add_file(file, name, properties=about)
    return crate.metadata.generate()
