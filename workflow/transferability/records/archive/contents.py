"""What of a study goes into its archive, and what each file is."""

from pathlib import Path, PurePosixPath

from transferability.analysis.collect import network_path
from transferability.images.store import CLASSES, MANIFEST
from transferability.storage.network_folder import NetworkFolder
from transferability.study import design, targets

FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".npy": "application/x-npy",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".safetensors": "application/x-safetensors",
    ".svg": "image/svg+xml",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
}
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
    "costs": "what a job took: {stem}",
    "logs": "what a job said: {stem}",
    "images": "of the image store, without images: {name}",
    "results": "effects behind the study's own: {stem}",
}


def contents(results: Path, checked: dict, with_weights: bool) -> dict[str, Path]:
    """The files of a study's archive by the names that they have there, sorted; `checked` is the
    resolved study.

    What lies outside of results/<study> has its path from the folder of the run. Raises ValueError
    with what is missing: an archive is of a study that is done.
    """
    trained = design.trained(checked, layer_count=0)
    run = results.resolve().parent.parent
    names = [*OF_STUDY, *targets.table_files(), *targets.page_files()]
    names += targets.figure_files(checked)
    names += [f"splits/{split}.csv" for split in design.split_names(checked["splits"])]
    found = {name: results / name for name in names}
    for network in trained:
        found |= _of_network(results, network_path(results / "networks", *network), with_weights)
    found |= _noted(results, {"/".join([split, f"seed{k}", name]) for split, k, name in trained})
    needed = [targets.labels(checked), targets.reference(checked)]
    found |= {name: run / name for name in needed if name}
    of_store = [f"{targets.store(checked)}/{name}" for name in (MANIFEST, CLASSES, targets.LABELS)]
    found |= {name: run / name for name in of_store if (run / name).exists()}
    missing = [str(file) for file in found.values() if not file.is_file()]
    if missing:
        raise ValueError(
            f"{results}: {len(missing)} files of the study are not there, such as {missing[0]}; "
            "run it to its end with snakemake, and archive it then"
        )
    return dict(sorted(found.items()))


def _of_network(results: Path, path: Path, with_weights: bool) -> dict[str, Path]:
    """The files of one network, its weights if they were kept."""
    folder = NetworkFolder(path)
    files = [folder.metrics, folder.history, folder.predictions]
    kept = folder.metrics.exists() and folder.read_metrics().get("weights_sha256") is not None
    files += [folder.weights] * (with_weights and kept)
    return {file.relative_to(results).as_posix(): file for file in files}


def _noted(results: Path, trained: set[str]) -> dict[str, Path]:
    """The logs and costs, but for those of networks that the study does not have any more."""
    found = {}
    for file in [*results.glob("logs/**/*.log"), *results.glob("costs/**/*.tsv")]:
        name = file.relative_to(results)
        network = name.with_suffix("").parts[2:]
        if name.parts[1] != "networks" or "/".join(network) in trained:
            found[name.as_posix()] = file
    return found


def media_type(name: str) -> str:
    """The format of a file of an archive, by its suffix."""
    return FORMATS[PurePosixPath(name).suffix]


def description(name: str) -> str:
    """What a file of an archive is."""
    path = PurePosixPath(name)
    folder, *inner = path.parts
    if folder == "networks":
        *where, network, file = inner
        return f"{network} ({', '.join(where)}): {OF_NETWORK[file]}"
    if not inner:
        return OF_STUDY[name]
    return IN_FOLDERS[folder].format(stem=path.stem, name=path.name)
