# From networks to tables, and to what they say.
#   in:  results/<study>/networks/…
#   out: results/<study>/tables/{networks,evaluations,differences,effects,boost}.csv
#        results/<study>/findings.html
#   1. collect_networks gathers metrics and histories
#   2. estimate_effects pairs the networks and estimates effects with intervals
#   3. write_findings says what the effects say, in sentences

TABLES = [f"<results>/{file}" for file in targets.table_files()]
FINDINGS = f"<results>/{targets.FINDINGS}"
# None where every effect has replicates enough for an interval over them.
LABELS = targets.labels(STUDY)


localrules:
    collect_networks,
    estimate_effects,
    write_findings,


rule collect_networks:
    input:
        of_every_network("metrics.json"),
    output:
        table=table_file("networks"),
        evaluations=table_file("evaluations"),
    log:
        "<results>/logs/collect_networks.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        study=STUDY["study"],
        results=subpath(output.table, ancestor=2),
        splits=SPLITS,
        seeds=SEEDS,
        networks=NETWORKS,
        omitted=[f"{split}/seed{seed}/{network}" for split, seed, network in OMITTED],
        score=STUDY["score"],
        code=fingerprint.collection_fingerprint(),
    shell:
        "python -m transferability collect-networks"
        " --study {params.study}"
        " --results {params.results}"
        " --splits {params.splits}"
        " --seeds {params.seeds}"
        " --networks {params.networks}"
        " --omitted {params.omitted}"
        " --score {params.score}"
        " --table {output.table}"
        " --evaluations {output.evaluations}"
        " > {log} 2>&1"


rule estimate_effects:
    input:
        table="<results>/tables/networks.csv",
        labels=ancient(LABELS) if LABELS else [],
        predictions=of_every_network("predictions.npy") if LABELS else [],
    output:
        differences=table_file("differences"),
        effects=table_file("effects"),
        boost=table_file("boost"),
    log:
        "<results>/logs/estimate_effects.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        results=subpath(input.table, ancestor=2),
        code=fingerprint.effects_fingerprint(),
    shell:
        "python -m transferability estimate-effects"
        " --table {input.table}"
        " --results {params.results}"
        " --labels {input.labels}"
        " --differences {output.differences}"
        " --effects {output.effects}"
        " --boost {output.boost}"
        " > {log} 2>&1"


rule write_findings:
    input:
        effects="<results>/tables/effects.csv",
        boost="<results>/tables/boost.csv",
    output:
        findings_file(),
    log:
        "<results>/logs/write_findings.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=fingerprint.findings_fingerprint(),
    shell:
        "python -m transferability write-findings"
        " --effects {input.effects}"
        " --boost {input.boost}"
        " --page {output}"
        " > {log} 2>&1"
