# What rules ask of the study for one network, one split or one study's results.

# As seen from the folder of the run, so that a repository can move.
PUBLISHED_DATA = os.path.relpath(LIBRARY / "resources" / schema.PUBLISHED)


def of_every_network(file):
    """That file of each network of the study."""
    return [
        f"<results>/networks/{split}/seed{seed}/{network}/{file}"
        for split, seed, network in STUDY.trained
    ]


def recipe(wildcards):
    return as_json(
        STUDY.recipe_of(wildcards.split, int(wildcards.seed), wildcards.network)
    )


def minutes_to_train(wildcards, attempt):
    """What a cluster is asked for. A training that is cut short goes on in the next attempt."""
    split, seed, network = wildcards.split, int(wildcards.seed), wildcards.network
    base = f"{RESULTS}/networks/{split}/seed{seed}/{targets.measured_by(network)}"
    try:
        metrics = json.loads(Path(base, "metrics.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        metrics = None
    chosen = STUDY.recipe_of(split, seed, network)
    return attempt * targets.minutes(network, chosen, STUDY["hours"], metrics)


def base_file(wildcards, file):
    """That file of the base whose layers a treatment copies; none if it copies none."""
    base = networks.parse_name(wildcards.network).base
    if base is None:
        return []
    return f"{RESULTS}/networks/{wildcards.split}/seed{wildcards.seed}/{base}/{file}"


# Functions of their own, since Snakemake takes far longer to look into a partial one.
def base_metrics(wildcards):
    return base_file(wildcards, "metrics.json")


def base_weights(wildcards):
    return base_file(wildcards, "weights.safetensors")


def split_file(wildcards):
    """The file that a split is drawn from, beside the store; none for most."""
    if wildcards.split in STUDY["splits"]["published"]:
        return f"{PUBLISHED_DATA}/class_splits.csv"
    if wildcards.split == "dissimilar" and STUDY["dataset"].get("groups"):
        return STUDY["dataset"]["groups"]
    return []


def split_flag(wildcards):
    """How a split is drawn: by its number, by the groups of its halves, or as it was published."""
    file = split_file(wildcards)
    if wildcards.split in STUDY["splits"]["published"]:
        return f"--published {shlex.quote(file)}"
    if wildcards.split != "dissimilar":
        return f"--random {wildcards.split.removeprefix('random')}"
    halves = STUDY["splits"]["dissimilar"]
    groups = {half: design.as_groups(halves[half]) for half in networks.HALVES}
    grouped_by = f" --grouped-by {shlex.quote(file)}" if file else ""
    return f"--groups {shlex.quote(as_json(groups))}{grouped_by}"


def labels(wildcards):
    """None where each effect has replicates enough; predictions of 2014 were not published."""
    if wildcards.study == schema.PUBLISHED:
        return []
    return targets.labels(STUDY) or []


def predictions(wildcards):
    return of_every_network("predictions.npy") if labels(wildcards) else []


def reference(wildcards):
    """The effects that stand behind a study's own, if any; none behind those of 2014."""
    if wildcards.study == schema.PUBLISHED:
        return []
    return targets.reference(STUDY) or []


def as_flags(wildcards, input):
    """The inputs of a figure, each as the flag of its name."""
    return " ".join(f"--{name} {files}" for name, files in input.items())


def shelf(name, wildcards):
    """Where the report shows something; the published results have shelves of their own."""
    published = wildcards.study == schema.PUBLISHED
    return f"Published in 2014: {name}" if published else name
