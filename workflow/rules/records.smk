# What a study leaves of itself, for people and for other programs.
#   in:  the study  results/<study>/networks/…/metrics.json  tables/…
#   out: results/<study>/study.yaml  METHODS.md
#   1. write_study writes the study as it is run, every default filled in
#   2. write_methods tells how the study was made, for the Methods section of a paper


rule write_study:
    output:
        "<results>/study.yaml",
    log:
        "<results>/logs/write_study.log",
    # Before all others, which read it.
    priority: 20
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        study=as_json(STUDY),
    shell:
        "python -m transferability write-study"
        " --study {params.study:q}"
        " --file {output}"
        " > {log} 2>&1"


rule write_methods:
    input:
        study="<results>/study.yaml",
        metrics=of_every_network("metrics.json"),
        effects="<results>/tables/effects.csv",
        boost="<results>/tables/boost.csv",
        citation=os.path.relpath(Path(workflow.basedir) / "CITATION.cff"),
    output:
        "<results>/METHODS.md",
    log:
        "<results>/logs/write_methods.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        results=subpath(input.study, parent=True),
        code=fingerprint.methods_fingerprint(),
    shell:
        "python -m transferability write-methods"
        " --study {input.study}"
        " --results {params.results}"
        " --effects {input.effects}"
        " --boost {input.boost}"
        " --citation {input.citation}"
        " --text {output}"
        " > {log} 2>&1"
