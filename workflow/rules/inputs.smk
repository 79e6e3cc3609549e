# What rules ask of the study for one network, one split, or one folder of results.

# As seen from the folder of the run, so that a repository can move.
PUBLISHED_DATA = os.path.relpath(LIBRARY / "resources" / schema.PUBLISHED)
if {"{", "}"} & set(str(LIBRARY)):
    raise WorkflowError(
        f"{ROOT}: rename the folder; Snakemake reads braces as wildcards"
    )


def of_every_network(file, trained=STUDY.trained):
    """That file of each network of the study, or of those given."""
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
    """That file of the base whose layers a treatment copies; none if it copies none."""
    base = networks.parse_name(wildcards.network).base
    if base is None:
        return []
    folder = targets.base_folder(STUDY, wildcards.split, wildcards.seed, base)
    return f"{RESULTS}/{folder}/{file}"


def read_by_probes(wildcards, file):
    folders = targets.read_by_probes(STUDY, wildcards.split, int(wildcards.seed))
    return [f"{RESULTS}/{folder}/{file}" for folder in folders]


# Tables and texts say from which files sources were read.
SOURCES = [
    f"<results>/sources/{letter}/metrics.json" for letter in STUDY.imported.values()
]


def source_store(wildcards):
    return targets.store(STUDY, wildcards.network.removeprefix("base"))


def weights_file(wildcards):
    """The file that a source is read from, if it is a file and there."""
    weights = images.path_of(STUDY["sources"][wildcards.source]["weights"])
    return [str(weights)] if weights.is_file() else []


def drawn_from(wildcards):
    return targets.drawn_from(STUDY, wildcards.split, PUBLISHED_DATA)


def contents(paths):
    """Checksums: a file that takes the place of another may have an older time stamp."""
    return [files.samples_sha256(Path(path)) for path in paths]


def study_only(files, wildcards):
    """What a study has, and the results that were published have not."""
    return [] if wildcards.study == schema.PUBLISHED else files or []


def report_category(name, wildcards):
    """A category of the report, numbered in reading order; the published results have one for each
    of the study's."""
    published = wildcards.study == schema.PUBLISHED
    return f"4 Published in 2014: {name[2:]}" if published else name
