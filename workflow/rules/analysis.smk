# Makes tables from networks (each also as a page that a browser can sort), the findings, and the
# Methods section of a paper. The published networks of 2014 are treated in the same way.
#   in:  results/<study>/networks/…  workflow/resources/yosinski2014/…
#   out: results/<study>/tables/{networks,evaluations,search,probes,mechanism,predictors}.{csv,html}
#        tables/{differences,effects,boost,decision}.{csv,html}  findings.html  METHODS.md
#   1. collect_networks gathers metrics and histories; read_published copies those of 2014
#   2. estimate_effects pairs networks, with intervals, and writes findings.html
#   3. write_methods describes how the study was made


rule collect_networks:
    input:
        of_every_network("metrics.json"),
        SOURCES,
        [f"<results>/{file}" for file in targets.probe_files(STUDY)],
    output:
        **{
            f"{table}_{suffix}": report(
                f"<results>/tables/{table}.{suffix}",
                caption=f"../report/{table}_table.rst",
                category="3 Tables",
                labels={"table": table, "sortable": sortable},
            )
            for table in targets.collected_tables(STUDY)
            for suffix, sortable in (("csv", "no"), ("html", "yes"))
        },
    log:
        "<results>/logs/collect_networks.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        study=STUDY_FILE,
        networks=as_json(
            [STUDY["study"], STUDY["score"], STUDY.trained, STUDY.omitted]
            + [STUDY.table_names, STUDY["search"], STUDY.groups, STUDY["probes"]]
        ),
        code=fingerprint.collection_fingerprint(
            *["analysis.predictors"] * bool(STUDY["probes"])
        ),
    shell:
        "python -m transferability collect-networks --study {params.study:q}"
        " --table {output.networks_csv:q} > {log:q} 2>&1"


rule read_published:
    input:
        f"{PUBLISHED_DATA}/networks.csv",
    output:
        **{
            suffix: report(
                f"results/{schema.PUBLISHED}/tables/networks.{suffix}",
                caption="../report/networks_table.rst",
                category="4 Published in 2014: Tables",
                labels={"table": "networks", "sortable": sortable},
            )
            for suffix, sortable in (("csv", "no"), ("html", "yes"))
        },
    log:
        f"results/{schema.PUBLISHED}/logs/read_published.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=fingerprint.table_pages_fingerprint(),
    shell:
        "python -m transferability read-published {input:q} --table {output.csv:q} > {log:q} 2>&1"


# None if each effect has several replicates.
LABELS = targets.labels(STUDY)


rule estimate_effects:
    input:
        table="<tables>/networks.csv",
        labels=ancient(partial(study_only, LABELS)),
        predictions=partial(study_only, LABELS and of_every_network("predictions.npy")),
    output:
        **{
            f"{table}_{suffix}": report(
                f"<tables>/{table}.{suffix}",
                caption=f"../report/{table}_table.rst",
                category=partial(report_category, "3 Tables"),
                labels={"table": table, "sortable": sortable},
            )
            for table in targets.estimated_tables(STUDY)
            for suffix, sortable in (("csv", "no"), ("html", "yes"))
        },
        findings=report(
            "results/{study}/findings.html",
            caption="../report/findings.rst",
            category=partial(report_category, "1 What the numbers say"),
            labels={"page": "what the numbers say"},
        ),
    log:
        "results/{study}/logs/estimate_effects.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        results=subpath(input.table, ancestor=2),
        margin=STUDY["margin"],
        partial="--partial" if "partial" in STUDY["treatments"] else [],
        code=fingerprint.effects_fingerprint(),
    shell:
        "python -m transferability estimate-effects --table {input.table:q}"
        " --results {params.results:q} --labels {input.labels:q} --margin {params.margin:q}"
        " {params.partial:q} --page {output.findings:q} > {log:q} 2>&1"


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
        code=fingerprint.methods_fingerprint(),
    shell:
        "python -m transferability write-methods --study {params.study:q}"
        " --citation {input.citation:q} --text {output:q} > {log:q} 2>&1"
