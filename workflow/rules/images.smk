# Images, and the split of their classes into halves.
#   in:  the study's sections dataset and splits
#   out: images/<dataset>/…  results/<study>/splits/<split>.csv
#   1. prepare_images draws or reads the images, once for all splits, seeds and studies
#   2. split_classes splits their classes into A and B

ARRAYS = [
    f"images/{{dataset}}/{part}.{kind}.npy"
    for part in ("train", "validation")
    for kind in ("images", "labels")
]


rule prepare_images:
    output:
        manifest="images/{dataset}/manifest.json",
        arrays=ARRAYS,
        classes="images/{dataset}/classes.csv",
    log:
        "<results>/logs/prepare_images/{dataset}.log",
    benchmark:
        "<results>/costs/prepare_images/{dataset}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 8
    # Not a parameter, since it does not change the images.
    resources:
        download=lambda wc: "yes" if DATASETS[wc.dataset].get("download") else "no",
    params:
        settings=lambda wc: as_json(images.stored(DATASETS[wc.dataset])),
        folder=subpath(output.manifest, parent=True),
        code=lambda wc: fingerprint.images_fingerprint(DATASETS[wc.dataset]["source"]),
    # exec, as in networks.smk.
    shell:
        "exec python -m transferability prepare-images"
        " --settings {params.settings:q} --folder {params.folder:q} --workers {threads}"
        " --download {resources.download} > {log:q} 2>&1"


rule split_classes:
    input:
        manifest="<store>/manifest.json",
        classes="<store>/classes.csv",
        drawn_from=drawn_from,
    output:
        "<results>/splits/{split}.csv",
    log:
        "<results>/logs/splits/{split}.log",
    # Too short for a job on a cluster, like the analysis and the figures.
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        study=STUDY_FILE,
        groups=lambda wc: as_json((STUDY["splits"] or {}).get(wc.split)),
        content=lambda wc: contents(drawn_from(wc)),
        folder=subpath(input.manifest, parent=True),
        code=fingerprint.splits_fingerprint(),
    shell:
        "python -m transferability split-classes --study {params.study:q}"
        " --images {params.folder:q} --drawn-from {input.drawn_from:q} --split {output:q}"
        " > {log:q} 2>&1"
