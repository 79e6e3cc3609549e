# From networks to tables.
#   in:  results/<study>/networks/…
#   out: results/<study>/tables/{networks,evaluations,effects,boost}.csv
#   1. collect_networks gathers metrics and histories
#   2. estimate_effects pairs the networks and estimates effects with intervals

TABLES = [f"<results>/tables/{table}.csv" for table in ("networks", "effects", "boost")]


rule collect_networks:
    input:
        of_every_network("metrics.json"),
    output:
        table=report(
            "<results>/tables/networks.csv",
            caption="../report/networks_table.rst",
            category="Tables",
            labels={"table": "networks"},
        ),
        evaluations="<results>/tables/evaluations.csv",
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
        score=STUDY["score"],
        code=fingerprint.of_collection(),
    shell:
        "python -m transferability collect-networks"
        " --study {params.study}"
        " --results {params.results}"
        " --splits {params.splits}"
        " --seeds {params.seeds}"
        " --networks {params.networks}"
        " --score {params.score}"
        " --table {output.table}"
        " --evaluations {output.evaluations}"
        " > {log} 2>&1"


rule estimate_effects:
    input:
        table="<results>/tables/networks.csv",
        labels=ancient("<store>/validation.labels.npy"),
        # With one replicate the intervals come from the single predictions.
        predictions=(of_every_network("predictions.npy") if ONE_REPLICATE else []),
    output:
        effects=report(
            "<results>/tables/effects.csv",
            caption="../report/effects_table.rst",
            category="Tables",
            labels={"table": "effects"},
        ),
        boost=report(
            "<results>/tables/boost.csv",
            caption="../report/boost_table.rst",
            category="Tables",
            labels={"table": "boost"},
        ),
    log:
        "<results>/logs/estimate_effects.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        results=subpath(input.table, ancestor=2),
        code=fingerprint.of_effects(),
    shell:
        "python -m transferability estimate-effects"
        " --table {input.table}"
        " --results {params.results}"
        " --labels {input.labels}"
        " --effects {output.effects}"
        " --boost {output.boost}"
        " > {log} 2>&1"
