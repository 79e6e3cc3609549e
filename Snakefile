# How transferable are the features of a network, layer by layer: the whole study, from the images
# to the figures. The study is config.yaml, or the file given with --configfile, alone.
from snakemake.utils import min_version

min_version("9.27")


# A study given on the command line stands alone; Snakemake would merge it into this one.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/runs.smk"
include: "workflow/rules/cluster.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/networks.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/published.smk"
include: "workflow/rules/records.smk"


report: "workflow/report/workflow.rst"


# What trainings have kept a second time has served its purpose; jobs run no hooks.
onsuccess:
    shell("python -m transferability forget-finished --results {RESULTS:q}")


rule all:
    default_target: True
    input:
        TABLES,
        FINDINGS,
        FIGURES,
        TABLE_PAGES,
        KEPT_WEIGHTS,
        RECORDS,


rule published:
    input:
        PUBLISHED_FILES,
