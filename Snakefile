# Measures how transferable the features of a network are, layer by layer: the whole study, from
# images to figures. The study is either config.yaml or the file given with --configfile.
from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/common.smk"
include: "workflow/rules/config.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/networks.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/figures.smk"


report: "workflow/report/workflow.rst"


# The results, relative to the folder in which the command was typed.
SHOWN = Path(workflow.overwrite_workdir or "", RESULTS)


# The lock ends with this process; Snakemake's own lock would remain if the process is killed.
onstart:
    try:
        runs.begin(Path(".snakemake"), STUDY["study"], SHARE)
    except runs.AnotherRun as error:
        raise WorkflowError(str(error)) from None
    files = ", ".join(map(os.path.relpath, STUDY_FILES[::-1])) or "a module"
    print(f"study: {STUDY['study']} ({files})", file=sys.stderr)
    # The number of images may not be known before they are read; listing them may take long.
    with suppress(ValueError):
        if warning := design.few_steps(STUDY, images.size(STUDY["dataset"])):
            print(warning, file=sys.stderr)
    study_config.write(STUDY, Path(STUDY_FILE))
    # No network is trained if only published results are requested.
    if not all(
        target == "published" or schema.PUBLISHED in Path(target).parts
        for target in workflow.dag_settings.targets or ["all"]
    ):
        print(
            "What runs, and the time left: uv run transferability status"
            f" {shlex.quote(str(SHOWN))} --watch",
            file=sys.stderr,
        )


onsuccess:
    # The files that trainings kept for a second run are no longer needed.
    if SHARE is None:
        network_folder.forget_finished(Path(RESULTS, "networks"))
    if SHARE is None and Path(RESULTS, targets.FINDINGS).exists():
        found = status.look(Path(RESULTS)).networks
        if lost := sum(network.learned is False for network in found):
            print(
                f"Did not learn: {lost} of {len(found)} networks", file=sys.stderr
            )
        print(
            f"What the numbers say: {SHOWN / targets.FINDINGS}\n"
            f"The main figure:      {SHOWN}/figures/{targets.figures(STUDY)[0]}.svg\n"
            f"All as a report:      uv run snakemake {STUDY_FLAG}--report report.zip",
            file=sys.stderr,
        )
    # Notes on the images from the log of prepare_images, repeated here so that they are seen.
    for note in images.notes(Path(STORE)):
        print(note, file=sys.stderr)


rule all:
    default_target: not IS_MODULE
    input:
        [f"{RESULTS}/{file}" for file in targets.files(STUDY)]
        if SHARED is None
        else of_every_network("metrics.json", SHARED),
        # Named here, so that after a change of keep_weights, networks without weights are trained.
        of_every_network(
            "weights.safetensors", STUDY.trained if SHARED is None else SHARED
        )
        if STUDY["keep_weights"] == "all"
        else [],


rule published:
    input:
        [
            f"results/{schema.PUBLISHED}/{file}"
            for file in targets.published_files(STUDY)
        ],
