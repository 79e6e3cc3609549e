"""How effects and their intervals were estimated, as the tables say that they were."""

from transferability.analysis.intervals import (
    CONFIDENCE,
    NO_INTERVAL,
    OF_MODEL,
    OVER_IMAGES,
    OVER_SEEDS,
    OVER_SPLITS,
    RESAMPLES,
    UNPAIRED,
)
from transferability.analysis.vocabulary import listed, points, sentence, span
from transferability.reports.methods.sources import Sources, percent, several

SCORES = {
    "final": "at its last evaluation",
    "mean_of_10_best": "averaged over its ten best evaluations",
}
INTERVALS = {
    OVER_SPLITS: "by Student's t over the means of the splits",
    OVER_SEEDS: "by Student's t over the seeds of one split; they hold for that split alone",
    OVER_IMAGES: f"by a paired percentile bootstrap over validation images ({RESAMPLES:,} "
    "resamples); they are narrower than the truth, since they know nothing of the noise of "
    "training",
    UNPAIRED: "by Newcombe's score interval, as if the validation images of the two networks were "
    "not the same",
    OF_MODEL: "by Student's t of a linear model",
}
ESTIMATORS = {
    "paired": "from the paired differences",
    "pooled": "as in 2014 from the mean of all treated networks less that of all controls",
    "through_base": "through the base of each network",
    "linear_model": "by a linear model with an effect of each half",
}


def paragraphs(sources: Sources) -> list[str]:
    """The score, the effects, the intervals that they have, and Table 1."""
    first = (
        "A network's score was its top-1 accuracy on the validation images of its target half, "
        f"{SCORES[sources.study['score']]}. An effect was always a difference between the scores "
        "of two networks on the same split, seed, target half and number of images, averaged over "
        "the replicates."
    )
    return [" ".join(filter(None, [first, _noise(sources)])), _intervals(sources), _boost(sources)]


def _noise(sources: Sources) -> str:
    """What training again changed, the measure of all other effects."""
    rows = sources.effects[sources.effects["effect"] == "retraining"]
    if rows.empty:
        return ""
    low, high = (points(mean, keep=True) for mean in (rows["mean"].min(), rows["mean"].max()))
    moved = low if low == high else f"{low} to {high}"
    return (
        f"To train the base once more (B0B − baseB) changed its score by {moved} percentage "
        "points; other effects have to be read against that."
    )


def _intervals(sources: Sources) -> str:
    """The kinds of interval that the table of effects has, with their replicates."""
    said = []
    for kind, rows in sources.effects.groupby("interval", sort=False):
        one = len(rows) == 1
        of = f"{several(len(rows), 'effect')} from {span(list(rows['replicates']), 'replicate')}"
        if kind == NO_INTERVAL:
            said.append(sentence(f"{of} {'has' if one else 'have'} no interval"))
        else:
            verb = "That of {} was" if one else "Those of {} were"
            said.append(f"{verb.format(of)} estimated {INTERVALS[kind]}.")
    missing = int(sources.effects["missing"].sum())
    if missing:
        said.append(
            f"{several(missing, 'difference').capitalize()} could not be taken, since a network "
            "of the pair is missing, and the effects rest on the others."
        )
    return f"All intervals are {percent(CONFIDENCE)} intervals. {' '.join(said)}"


def _boost(sources: Sources) -> str:
    if sources.boost.empty:
        return ""
    estimators = [ESTIMATORS[name] for name in sources.boost["estimator"].unique()]
    layers = listed(sources.boost["layers"].astype(str).str.replace("-", "–").unique())
    return (
        "The boost of transfer with fine-tuning (Table 1 of the 2014 paper) was averaged over "
        f"layers {layers} and estimated {listed(estimators)}."
    )
