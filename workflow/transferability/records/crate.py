"""A study's results as one file to give away: a zip archive that is an RO-Crate.

It has one folder, named after the study, whose ro-crate-metadata.json gives the kind, size and
sha256 of each file (researchobject.org/ro-crate). The same results give the same bytes. Only the
command `archive` imports this, since rocrate takes long.
"""

import json
import mimetypes
import re
import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import yaml
from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from transferability.analysis.collect import network_path
from transferability.images.store import CLASSES, MANIFEST
from transferability.records import provenance, verify
from transferability.records.archive import METADATA
from transferability.storage import files
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config, targets
from transferability.study.design import Study

FORMATS = {
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".npy": "application/x-npy",
    ".safetensors": "application/x-safetensors",
    ".yaml": "application/yaml",
}
"""Media types that Python's table lacks."""
OF_NETWORK = {
    "metrics.json": "final numbers and provenance",
    "history.jsonl": "evaluations, one a line",
    "predictions.npy": "predicted class of each validation image, -1 for those of the other half",
    "weights.safetensors": "weights",
}
OF_STUDY = {
    targets.STUDY: "the study as it was run, every key filled in",
    targets.METHODS: "how the study was made, for the Methods section of a paper",
    targets.FINDINGS: "what the numbers say",
}
IN_FOLDERS = {
    "splits": "halves A and B of the classes: {stem}",
    "tables": "table of the study: {stem}",
    "figures": "figure of the study: {stem}",
    "costs": "time and memory of a job: {stem}",
    "logs": "log of a job: {stem}",
    "images": "of the image store, without images: {name}",
    "results": "effects behind the study's: {stem}",
}


def pack(
    results: Path, to: Path, with_weights: bool, authors: Sequence[str], license: str | None
) -> list[str]:
    """Write the archive of a finished study; the names of its files.

    `license` is an SPDX name or a web address. Raises ValueError if it is neither, if the study is
    not finished, if its networks are not what their trainings wrote, or if `to` exists.
    """
    if to.suffix != ".zip":
        raise ValueError(f"--to: {to} is no name of an archive; expected one that ends in .zip")
    if to.exists():
        raise ValueError(f"--to: {to} is there already; name another file, or delete it")
    if license and not re.fullmatch(r"[\w.+-]+|https?://\S+", license):
        raise ValueError(
            f"--license: {license!r} is none; expected a name of spdx.org/licenses, e.g. "
            "CC-BY-4.0, or a web address"
        )
    checked = config.resolved(results / targets.STUDY)
    contents = _contents(results, checked, with_weights)
    for verdict in verify.verify(results, whole_images=False):
        if verdict.faults:
            raise ValueError(f"{results}: not archived, since it changed: {verdict.faults[0]}")
    text = json.dumps(_metadata(checked, contents, authors, license), indent=2, ensure_ascii=False)
    with files.atomic_write(to) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, file in contents.items():
            entry = _entry(f"{checked['study']}/{name}")
            # Decides whether zipfile writes sizes with 32 or 64 bits.
            entry.file_size = file.stat().st_size
            with file.open("rb") as source, archive.open(entry, "w") as packed:
                shutil.copyfileobj(source, packed)
        archive.writestr(_entry(f"{checked['study']}/{METADATA}"), f"{text}\n")
    return list(contents)


def _entry(name: str) -> zipfile.ZipInfo:
    """The entry of a file, the same whenever and on whatever system it is written."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    # Weights look random: to compress them takes long and saves nothing.
    is_weights = name.endswith(".safetensors")
    entry.compress_type = zipfile.ZIP_STORED if is_weights else zipfile.ZIP_DEFLATED
    return entry


def _contents(results: Path, checked: Study, with_weights: bool) -> dict[str, Path]:
    """The files of an archive by their names in it, sorted. Files outside of results/<study> have
    their path from the folder of the run.

    Raises ValueError if any is missing.
    """
    run, trained = results.resolve().parent.parent, checked.trained
    names = [targets.STUDY, *targets.files(checked)]
    names += [f"splits/{split}.csv" for split in checked.split_names]
    chosen = [results / name for name in names]
    for network in trained:
        folder = NetworkFolder(network_path(results / "networks", *network))
        chosen += [folder.metrics, folder.history, folder.predictions]
        kept = folder.metrics.exists() and folder.read_metrics().get("weights_sha256") is not None
        chosen += [folder.weights] * (with_weights and kept)
    named = {(split, f"seed{seed}", name) for split, seed, name in trained}
    for file in [*results.glob("logs/**/*.log"), *results.glob("costs/**/*.tsv")]:
        _, kind, *network = file.relative_to(results).with_suffix("").parts
        # Those of networks that the study no longer has stay behind.
        if kind != "networks" or tuple(network) in named:
            chosen.append(file)
    contents = {file.relative_to(results).as_posix(): file for file in chosen}
    needed = [targets.labels(checked), targets.reference(checked)]
    contents |= {name: run / name for name in needed if name}
    of_store = [f"{targets.store(checked)}/{name}" for name in (MANIFEST, CLASSES, targets.LABELS)]
    contents |= {name: run / name for name in of_store if (run / name).exists()}
    missing = [file for file in contents.values() if not file.is_file()]
    if missing:
        raise ValueError(
            f"{results}: {len(missing)} files of the study are not there, such as {missing[0]}; "
            "run it to its end with snakemake, then archive it"
        )
    return dict(sorted(contents.items()))


def _metadata(
    checked: Study, contents: dict[str, Path], authors: Sequence[str], license: str | None
) -> dict:
    """The RO-Crate's JSON-LD: what each file is, the training that made them, and the software. Its
    only dates are those of the networks.
    """
    crate = ROCrate(version="1.2")
    entities = {name: _add_file(crate, name, file) for name, file in contents.items()}
    study = entities.pop(targets.STUDY)
    folders = [file.parent for name, file in contents.items() if name.endswith("/metrics.json")]
    metrics = [NetworkFolder(folder).read_metrics() for folder in folders]
    software = _add_software(crate, [network["provenance"] for network in metrics])
    ended = max(network["job"]["ended"] for network in metrics)
    action = _add(
        crate,
        "#training",
        "CreateAction",
        name=f"The study {checked['study']} was trained and analysed",
        instrument=software,
        object=[study],
        result=list(entities.values()),
        startTime=min(network["job"]["started"] for network in metrics),
        endTime=ended,
    )
    description = (
        f"How transferable the features of a network are, layer by layer: {len(metrics)} networks "
        f"trained on {checked['dataset']['source']}, with their tables and figures. "
        f"{targets.METHODS} says how they were made."
    )
    without = "No licence was given: ask the authors before you use this."
    about = {
        "name": f"Results of the study {checked['study']}",
        "description": description,
        "datePublished": ended,
        "license": _add_license(crate, license) if license else without,
        "citation": software["citation"],
        "mentions": [action],
    }
    if authors:
        about["author"] = action["agent"] = [_add_person(crate, name) for name in authors]
    for key, value in about.items():
        crate.root_dataset[key] = value
    return crate.metadata.generate()


def _add_file(crate: ROCrate, name: str, file: Path) -> ContextEntity:
    folder, *inner = PurePosixPath(name).parts
    if folder == "networks":
        *where, network, kind = inner
        description = f"{network} ({', '.join(where)}): {OF_NETWORK[kind]}"
    elif inner:
        description = IN_FOLDERS[folder].format(stem=file.stem, name=file.name)
    else:
        description = OF_STUDY[name]
    media_type, _ = mimetypes.MimeTypes().guess_type(name)
    properties = {
        "name": name,
        "description": description,
        "encodingFormat": FORMATS.get(file.suffix, media_type),
        "contentSize": str(file.stat().st_size),
        "sha256": files.sha256(file),
    }
    return crate.add_file(dest_path=name, properties=properties)


def _add_software(crate: ROCrate, provenances: Sequence[dict]) -> ContextEntity:
    """This software as it trained the networks, the packages it needed, and the papers it cites."""
    citation = yaml.safe_load((provenance.PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    versions = {pair for made in provenances for pair in made["versions"].items() if pair[1]}
    papers = [
        _add(
            crate,
            f"#work-{quote(paper['title'])}",
            "ScholarlyArticle",
            name=paper["title"],
            author=_add_authors(crate, paper),
            datePublished=str(paper["year"]),
            isPartOf=paper["collection-title"],
            pagination=f"{paper['start']}-{paper['end']}",
        )
        for paper in citation.get("references", [])
    ]
    packages = [
        _add(crate, f"#{name}-{version}", "SoftwareApplication", name=name, version=version)
        for name, version in sorted(versions)
        if name != "transferability"
    ]
    changed = ", with changes that were not committed"
    commits = {
        f"git commit {made['commit']}{changed if made['changed_files'] else ''}"
        for made in provenances
        if made["commit"] is not None
    }
    return _add(
        crate,
        "#transferability",
        "SoftwareApplication",
        name=citation["title"],
        version=", ".join(sorted(pair[1] for pair in versions if pair[0] == "transferability")),
        license=_add_license(crate, citation["license"]),
        author=_add_authors(crate, citation),
        citation=papers,
        softwareRequirements=packages,
        **({"identifier": sorted(commits)} if commits else {}),
    )


def _add(crate: ROCrate, identifier: str, kind: str, /, **properties: object) -> ContextEntity:
    return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **properties}))


def _add_person(crate: ROCrate, name: str) -> ContextEntity:
    return _add(crate, f"#author-{quote(name)}", "Person", name=name)


def _add_authors(crate: ROCrate, work: dict) -> list[ContextEntity]:
    """The authors of a work in CITATION.cff."""
    names = [
        author.get("name") or f"{author['given-names']} {author['family-names']}"
        for author in work["authors"]
    ]
    return [_add_person(crate, name) for name in names]


def _add_license(crate: ROCrate, name: str) -> ContextEntity:
    address = name if "://" in name else f"https://spdx.org/licenses/{name}"
    return _add(crate, address, "CreativeWork", name=name)
