# Training.
#   in:  results/<study>/study.yaml  images/<dataset>/…  results/<study>/splits/<split>.csv
#   out: results/<study>/networks/<split>/seed<seed>/<network>/…
#   1. train_base trains baseA, baseB, base2B, … from random initialisation; train_source does this
#      on the images of a source, and import_source reads pretrained weights
#   2. train_treatment trains B3B, A3B+, R5B, …, whose first layers are copied from a base or random
#   3. probe_layers evaluates layers and networks of a split and seed, if the study has probes


# The code of the architecture also counts for the fingerprint, in addition to the training code.
ARCHITECTURE = STUDY["architecture"]["name"], STUDY["architecture"].get("build")


rule import_source:
    input:
        weights_file,
    output:
        metrics="<imported>/metrics.json",
        weights="<imported>/weights.safetensors",
    log:
        "<results>/logs/import_source/{source}.log",
    conda:
        "../../envs/training.yaml"
    params:
        study=STUDY_FILE,
        settings=lambda wc: as_json(STUDY.import_settings(wc.source)),
        content=lambda wc: contents(weights_file(wc)),
        code=fingerprint.import_fingerprint(*ARCHITECTURE),
    shell:
        "exec python -m transferability import-source --study {params.study:q}"
        " --source {wildcards.source:q} > {log:q} 2>&1"


rule train_base:
    input:
        # The manifest has the arrays' checksums and is compared instead of them: Snakemake compares
        # small files by content and large ones by time.
        manifest="<store>/manifest.json",
        arrays=ancient(expand(ARRAYS, dataset=Path(STORE).name)),
        # With a source that is trained here, all networks are normalised with its images.
        normalised_by=expand(
            "{store}/manifest.json", store=targets.source_store(STUDY) or []
        ),
        split="<results>/splits/{split}.csv",
    output:
        metrics="<base>/metrics.json",
        history="<base>/history.jsonl",
        predictions="<base>/predictions.npy",
        weights="<base>/weights.safetensors",
    log:
        "<results>/logs/networks/{split}/seed{seed}/{network}.log",
    benchmark:
        "<results>/costs/networks/{split}/seed{seed}/{network}.tsv"
    # All other networks wait for the bases.
    priority: 10
    conda:
        "../../envs/training.yaml"
    threads: gpus_of
    # --resources gpu=4 allows four GPUs at once; without it or without a GPU, this has no effect.
    resources:
        gpu=gpus_of,
        # A training that reaches the time limit continues in its next job.
        runtime=lambda wc, attempt: (
            attempt * targets.minutes_to_train(STUDY, Path(RESULTS), *network(wc))
        ),
    # Everything in the study that affects this network: a change trains it again.
    params:
        study=STUDY_FILE,
        training=lambda wc: as_json(vars(STUDY.training(*network(wc)))),
        code=fingerprint.training_fingerprint(*ARCHITECTURE),
    # exec, because SLURM signals every process of a job: a shell that waits for the training would
    # end before the training has saved, and SLURM would then kill the training.
    shell:
        "exec python -m transferability train"
        " --study {params.study:q} --split {wildcards.split} --seed {wildcards.seed}"
        " --network {wildcards.network} --threads {threads} > {log:q} 2>&1"


use rule train_base as train_treatment with:
    input:
        # In the same way, the base's metrics are compared instead of its weights.
        manifest=rules.train_base.input.manifest,
        arrays=rules.train_base.input.arrays,
        normalised_by=rules.train_base.input.normalised_by,
        split=rules.train_base.input.split,
        base_metrics=lambda wc: base_file(wc, "metrics.json"),
        base_weights=ancient(lambda wc: base_file(wc, "weights.safetensors")),
    output:
        ["<treatment>/weights.safetensors"] if STUDY["keep_weights"] == "all" else [],
        metrics="<treatment>/metrics.json",
        history="<treatment>/history.jsonl",
        predictions="<treatment>/predictions.npy",
    priority: 0


use rule train_base as train_source with:
    input:
        manifest=lambda wc: f"{source_store(wc)}/manifest.json",
        arrays=ancient(lambda wc: expand(ARRAYS, dataset=Path(source_store(wc)).name)),
    output:
        metrics="<source>/metrics.json",
        history="<source>/history.jsonl",
        predictions="<source>/predictions.npy",
        weights="<source>/weights.safetensors",


rule probe_layers:
    input:
        manifest=rules.train_base.input.manifest,
        arrays=rules.train_base.input.arrays,
        normalised_by=rules.train_base.input.normalised_by,
        split=rules.train_base.input.split,
        metrics=lambda wc: read_by_probes(wc, "metrics.json"),
        weights=ancient(lambda wc: read_by_probes(wc, "weights.safetensors")),
    output:
        f"<results>/networks/{{split}}/seed{{seed}}/{targets.PROBES}",
    log:
        "<results>/logs/probes/{split}/seed{seed}.log",
    conda:
        "../../envs/training.yaml"
    resources:
        gpu=1,
    params:
        study=STUDY_FILE,
        settings=as_json([STUDY[key] for key in targets.OF_PROBES]),
        code=fingerprint.probes_fingerprint(*ARCHITECTURE),
    shell:
        "exec python -m transferability probe-layers --study {params.study:q}"
        " --split {wildcards.split} --seed {wildcards.seed} --threads {threads} > {log:q} 2>&1"
