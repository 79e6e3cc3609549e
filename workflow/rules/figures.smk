# From tables to figures, one rule each; SVG for the report and the web, PDF and PNG beside it, and
# the main ones as pages to explore. And the tables themselves as pages.
#   in:  results/<study>/tables/…  the bases' weights (filters only)
#   out: results/<study>/figures/<figure>.{svg,pdf,png}  {transfer,effects}.html
#        results/<study>/tables/{networks,evaluations,differences,effects,boost}.html

FIGURES = [f"<results>/{file}" for file in targets.figure_files(STUDY)]
TABLE_PAGES = [f"<results>/{file}" for file in targets.page_files()]


localrules:
    plot_transfer,
    plot_effects,
    plot_boost,
    plot_dissimilar,
    plot_data_size,
    plot_filters,
    plot_learning_curves,
    plot_cost,
    show_tables,


rule plot_transfer:
    input:
        table="<results>/tables/networks.csv",
    output:
        **figure_files("transfer"),
        page=figure_page("transfer"),
    log:
        "<results>/logs/figures/transfer.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        figure=subpath(output.svg, strip_suffix=".svg"),
        options=as_json(STUDY["figures"]),
        code=fingerprint.figures_fingerprint(),
    shell:
        "python -m transferability plot-transfer"
        " --table {input.table}"
        " --figure {params.figure}"
        " --options {params.options:q}"
        " > {log} 2>&1"


rule plot_effects:
    input:
        effects="<results>/tables/effects.csv",
        reference=targets.reference(STUDY) or [],
    output:
        **figure_files("effects"),
        page=figure_page("effects"),
    log:
        "<results>/logs/figures/effects.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        figure=subpath(output.svg, strip_suffix=".svg"),
        options=as_json(STUDY["figures"]),
        code=fingerprint.figures_fingerprint(),
    shell:
        "python -m transferability plot-effects"
        " --effects {input.effects}"
        " --reference {input.reference}"
        " --figure {params.figure}"
        " --options {params.options:q}"
        " > {log} 2>&1"


rule plot_boost:
    input:
        boost="<results>/tables/boost.csv",
    output:
        **figure_files("boost"),
    log:
        "<results>/logs/figures/boost.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        figure=subpath(output.svg, strip_suffix=".svg"),
        options=as_json(STUDY["figures"]),
        code=fingerprint.figures_fingerprint(),
    shell:
        "python -m transferability plot-boost"
        " --boost {input.boost}"
        " --figure {params.figure}"
        " --options {params.options:q}"
        " > {log} 2>&1"


rule plot_dissimilar:
    input:
        table="<results>/tables/networks.csv",
        effects="<results>/tables/effects.csv",
    output:
        **figure_files("dissimilar"),
    log:
        "<results>/logs/figures/dissimilar.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        figure=subpath(output.svg, strip_suffix=".svg"),
        options=as_json(STUDY["figures"]),
        code=fingerprint.figures_fingerprint(),
    shell:
        "python -m transferability plot-dissimilar"
        " --table {input.table}"
        " --effects {input.effects}"
        " --figure {params.figure}"
        " --options {params.options:q}"
        " > {log} 2>&1"


rule plot_data_size:
    input:
        effects="<results>/tables/effects.csv",
    output:
        **figure_files("data_size"),
    log:
        "<results>/logs/figures/data_size.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        figure=subpath(output.svg, strip_suffix=".svg"),
        options=as_json(STUDY["figures"]),
        code=fingerprint.figures_fingerprint(),
    shell:
        "python -m transferability plot-data-size"
        " --effects {input.effects}"
        " --figure {params.figure}"
        " --options {params.options:q}"
        " > {log} 2>&1"


rule plot_filters:
    input:
        weights=[
            f"<results>/networks/{split}/seed{seed}/{network}/weights.safetensors"
            for split, seed, network in targets.drawn_bases(TRAINED)
        ],
    output:
        **figure_files("filters"),
    log:
        "<results>/logs/figures/filters.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        figure=subpath(output.svg, strip_suffix=".svg"),
        options=as_json(STUDY["figures"]),
        code=fingerprint.figures_fingerprint(),
    shell:
        "python -m transferability plot-filters"
        " --weights {input.weights}"
        " --figure {params.figure}"
        " --options {params.options:q}"
        " > {log} 2>&1"


rule plot_learning_curves:
    input:
        table="<results>/tables/networks.csv",
        evaluations="<results>/tables/evaluations.csv",
    output:
        **figure_files("learning_curves"),
    log:
        "<results>/logs/figures/learning_curves.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        figure=subpath(output.svg, strip_suffix=".svg"),
        options=as_json(STUDY["figures"]),
        code=fingerprint.figures_fingerprint(),
    shell:
        "python -m transferability plot-learning-curves"
        " --table {input.table}"
        " --evaluations {input.evaluations}"
        " --figure {params.figure}"
        " --options {params.options:q}"
        " > {log} 2>&1"


rule plot_cost:
    input:
        table="<results>/tables/networks.csv",
    output:
        **figure_files("cost"),
    log:
        "<results>/logs/figures/cost.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        figure=subpath(output.svg, strip_suffix=".svg"),
        options=as_json(STUDY["figures"]),
        code=fingerprint.figures_fingerprint(),
    shell:
        "python -m transferability plot-cost"
        " --table {input.table}"
        " --figure {params.figure}"
        " --options {params.options:q}"
        " > {log} 2>&1"


rule show_tables:
    input:
        [f"<results>/tables/{table}.csv" for table in targets.TABLES],
    output:
        [table_page(table) for table in targets.TABLES],
    log:
        "<results>/logs/show_tables.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=fingerprint.table_pages_fingerprint(),
    shell:
        "python -m transferability show-tables"
        " --tables {input}"
        " --pages {output}"
        " > {log} 2>&1"
