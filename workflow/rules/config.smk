# The complete, checked study. Rules read STUDY, never config.
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

# As a module of another workflow, the study is the config that this workflow passes.
IS_MODULE = not os.path.samefile(ROOT, workflow.basedir)
STUDY_FLAG = ""
# A study given on the command line replaces config.yaml; Snakemake would merge the two.
if workflow.configfiles and not IS_MODULE:
    STUDY_FLAG = shlex.join(["--configfile", *map(str, workflow.configfiles)]) + " "
elif not IS_MODULE:

    configfile: "config.yaml"


STUDY_FILES = [] if IS_MODULE else workflow.configfiles[::-1]
if not IS_MODULE:
    # --config turns numbers and lists into texts; this turns them back.
    update_config(config, study_config.typed(workflow.config_settings.config))
# The part of this run if several runs divide a study, such as 2/8.
SHARE = config.pop("share", None)
try:
    for file in STUDY_FILES:
        study_config.check_file(file, config)
    STUDY = study_config.complete(config)
    SHARED = None if SHARE is None else STUDY.share(SHARE)
except design.StudyError as error:
    files = ", ".join(map(str, STUDY_FILES[::-1])) or "the module's config"
    raise WorkflowError(f"The study in {files} cannot be run:\n{error}") from None
# The report shows the config.
config.update(STUDY)

RESULTS = f"results/{STUDY['study']}"
STORE = targets.store(STUDY)
# The study's dataset, and those of sources that are trained here.
DATASETS = {images.store_name(dataset): dataset for dataset in targets.datasets(STUDY)}
# Not an input of rules, which any change of the study would then rerun. Instead, jobs have the
# settings that affect them in their params. The file is written when a run starts.
STUDY_FILE = f"{RESULTS}/{targets.STUDY}"


pathvars:
    store=STORE,
    results=RESULTS,
    base="<results>/networks/{split}/seed{seed}/{network,base2?[AB][^/]*}",
    source="<results>/networks/{split}/seed{seed}/{network,base[C-Z]}",
    imported="<results>/sources/{source,[C-Z]}",
    tables="results/{study}/tables",
    treatment="<results>/networks/{split}/seed{seed}/{network,s?[A-Z][0-9][^/]+}",


wildcard_constraints:
    study=f"{STUDY['study']}|{schema.PUBLISHED}",
    split="random[0-9]+|dissimilar|natman|whole",
    seed="[0-9]+",
    dataset="|".join(DATASETS),
