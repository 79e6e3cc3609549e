# The published networks of 2014, through the rules that serve a study.
#   in:  workflow/resources/yosinski2014/…
#   out: results/yosinski2014/tables/…  figures/{transfer,effects,boost,dissimilar}.*  findings.html
#   Figures look as those of the study that they may stand beside.

PUBLISHED = f"results/{schema.PUBLISHED}"
PUBLISHED_CATEGORY = "Published in 2014"
# As seen from the folder of the run, so that a repository can move.
PUBLISHED_DATA = os.path.relpath(LIBRARY / "resources" / schema.PUBLISHED)
PUBLISHED_TABLES = ("networks", "differences", "effects", "boost")
PUBLISHED_FILES = [
    f"{PUBLISHED}/tables/{table}.{suffix}"
    for table in PUBLISHED_TABLES
    for suffix in ("csv", "html")
]
PUBLISHED_FILES += [
    f"{PUBLISHED}/figures/{figure}.{suffix}"
    for figure in ("transfer", "effects", "boost", "dissimilar")
    for suffix in FIGURE_SUFFIXES
]
PUBLISHED_FILES += [
    f"{PUBLISHED}/figures/{figure}.html" for figure in ("transfer", "effects")
]
PUBLISHED_FILES += [f"{PUBLISHED}/findings.html"]


localrules:
    read_published,
    estimate_published_effects,
    write_published_findings,
    plot_published_transfer,
    plot_published_effects,
    plot_published_boost,
    plot_published_dissimilar,
    show_published_tables,


rule read_published:
    input:
        networks=f"{PUBLISHED_DATA}/networks.csv",
        class_splits=f"{PUBLISHED_DATA}/class_splits.csv",
    output:
        table=table_file("networks", PUBLISHED_CATEGORY),
    log:
        "<results>/logs/read_published.log",
    pathvars:
        results=PUBLISHED,
    conda:
        "../../envs/analysis.yaml"
    params:
        study=schema.PUBLISHED,
        code=fingerprint.published_fingerprint(),
    shell:
        "python -m transferability read-published"
        " --study {params.study}"
        " --published {input.networks}"
        " --class-splits {input.class_splits}"
        " --table {output.table}"
        " > {log} 2>&1"


use rule estimate_effects as estimate_published_effects with:
    input:
        table="<results>/tables/networks.csv",
        # Predictions were not published.
        labels=[],
    output:
        differences=table_file("differences", PUBLISHED_CATEGORY),
        effects=table_file("effects", PUBLISHED_CATEGORY),
        boost=table_file("boost", PUBLISHED_CATEGORY),
    pathvars:
        results=PUBLISHED,


use rule write_findings as write_published_findings with:
    output:
        findings_file(PUBLISHED_CATEGORY),
    pathvars:
        results=PUBLISHED,


use rule plot_transfer as plot_published_transfer with:
    output:
        **figure_files("transfer", PUBLISHED_CATEGORY),
        page=figure_page("transfer", PUBLISHED_CATEGORY),
    pathvars:
        results=PUBLISHED,


use rule plot_effects as plot_published_effects with:
    input:
        effects="<results>/tables/effects.csv",
        reference=[],
    output:
        **figure_files("effects", PUBLISHED_CATEGORY),
        page=figure_page("effects", PUBLISHED_CATEGORY),
    pathvars:
        results=PUBLISHED,


use rule plot_boost as plot_published_boost with:
    output:
        **figure_files("boost", PUBLISHED_CATEGORY),
    pathvars:
        results=PUBLISHED,


use rule plot_dissimilar as plot_published_dissimilar with:
    output:
        **figure_files("dissimilar", PUBLISHED_CATEGORY),
    pathvars:
        results=PUBLISHED,


use rule show_tables as show_published_tables with:
    input:
        [f"<results>/tables/{table}.csv" for table in PUBLISHED_TABLES],
    output:
        [table_page(table, PUBLISHED_CATEGORY) for table in PUBLISHED_TABLES],
    pathvars:
        results=PUBLISHED,
