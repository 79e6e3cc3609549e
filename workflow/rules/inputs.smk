# Functions that give rules the inputs of one network, one split, or one folder of results.

# Relative to the folder of the run, so that the repository can be moved.
PUBLISHED_DATA = os.path.relpath(LIBRARY / "resources" / schema.PUBLISHED)
if {"{", "}"} & set(str(LIBRARY)):
    raise WorkflowError(
        f"{ROOT}: rename the folder; Snakemake reads braces as wildcards"
    )


def of_every_network(file, trained=STUDY.trained):
    """The path of `file` for each network of the study, or for each in `trained`."""
    return [
        f"<results>/networks/{split}/seed{seed}/{network}/{file}"
        for split, seed, network in trained
    ]


def network(wildcards):
    """A network of the study: (split, seed, name)."""
    return wildcards.split, int(wildcards.seed), wildcards.network


def gpus_of(wildcards):
    return STUDY.recipe_of(*network(wildcards))["gpus"]


def base_file(wildcards, file):
    """The path of `file` of the base that a treatment copies; [] if it copies none."""
    base = networks.parse_name(wildcards.network).base
    if base is None:
        return []
    folder = targets.base_folder(STUDY, wildcards.split, wildcards.seed, base)
    return f"{RESULTS}/{folder}/{file}"


def read_by_probes(wildcards, file):
    folders = targets.read_by_probes(STUDY, wildcards.split, int(wildcards.seed))
    return [f"{RESULTS}/{folder}/{file}" for folder in folders]


# Tables and texts name the files from which sources were read.
SOURCES = [
    f"<results>/sources/{letter}/metrics.json" for letter in STUDY.imported.values()
]


def source_store(wildcards):
    return targets.store(STUDY, wildcards.network.removeprefix("base"))


def weights_file(wildcards):
    """The file from which a source is read, if it is a file that exists."""
    weights = images.path_of(STUDY["sources"][wildcards.source]["weights"])
    return [str(weights)] if weights.is_file() else []


def drawn_from(wildcards):
    return targets.drawn_from(STUDY, wildcards.split, PUBLISHED_DATA)


def contents(paths):
    """Checksums, because a file that replaces another may have an older time stamp."""
    return [files.samples_sha256(Path(path)) for path in paths]


def study_only(files, wildcards):
    """These files for a study, but none for the published results, which do not have them."""
    return [] if wildcards.study == schema.PUBLISHED else files or []


def report_category(name, wildcards):
    """A category of the report, numbered in reading order; the published results have their own
    category for each of the study's."""
    published = wildcards.study == schema.PUBLISHED
    return f"4 Published in 2014: {name[2:]}" if published else name
