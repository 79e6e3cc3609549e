# What a study leaves of itself, for people and for other programs.
#   in:  the study  results/<study>/networks/…/metrics.json  tables/…
#   out: results/<study>/METHODS.md: how the study was made, for the Methods section of a paper


rule write_methods:
    input:
        metrics=of_every_network("metrics.json"),
        sources=SOURCES,
        effects="<results>/tables/effects.csv",
        boost="<results>/tables/boost.csv",
        citation=os.path.relpath(ROOT / "CITATION.cff"),
    output:
        "<results>/METHODS.md",
    log:
        "<results>/logs/write_methods.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        study=STUDY_FILE,
        settings=as_json(STUDY),
        results=subpath(output[0], parent=True),
        code=fingerprint.methods_fingerprint(),
    shell:
        "python -m transferability write-methods --study {params.study:q}"
        " --results {params.results:q} --effects {input.effects:q} --boost {input.boost:q}"
        " --citation {input.citation:q} --text {output:q} > {log:q} 2>&1"
