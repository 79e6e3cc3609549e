# Draws figures from tables, one rule each: SVG for the report and the web, other formats, and (for
# two of them) interactive pages.
#   in:  results/<study>/tables/…  the bases' weights (filters only)
#   out: results/<study>/figures/<figure>.{svg,pdf,png}  {transfer,effects}.html

# Inputs that are not tables of the study.
OTHERS = {
    "reference": partial(study_only, targets.reference(STUDY)),
    "weights": of_every_network("weights.safetensors", targets.drawn_bases(STUDY)),
}

for figure, inputs in targets.FIGURES.items():

    rule:
        name:
            f"plot_{figure}"
        input:
            *[OTHERS.get(name, f"<tables>/{name}.csv") for name in inputs],
        output:
            [
                f"results/{{study}}/figures/{figure}.{suffix}"
                for suffix in targets.figure_formats(STUDY)
                if suffix != "svg"
            ],
            **{
                suffix: report(
                    f"results/{{study}}/figures/{figure}.{suffix}",
                    caption=f"../report/{figure}.rst",
                    category=partial(report_category, "2 Figures"),
                    labels={"figure": figure.replace("_", " "), "interactive": page},
                )
                for suffix, page in (("html", "yes"), ("svg", "no"))
                if suffix == "svg" or figure in targets.EXPLORED_FIGURES
            },
        log:
            f"results/{{study}}/logs/figures/{figure}.log",
        localrule: True
        conda:
            "../../envs/analysis.yaml"
        params:
            command=f"plot {figure}",
            figure=subpath(output.svg, strip_suffix=".svg"),
            options=as_json(STUDY["figures"]),
            code=fingerprint.figures_fingerprint(),
        shell:
            "python -m transferability {params.command} {input:q}"
            " --figure {params.figure:q} --options {params.options:q} > {log:q} 2>&1"
