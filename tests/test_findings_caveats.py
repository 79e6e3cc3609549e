import re

import numpy as np
import pandas as pd
import pytest
from made_findings import STUDIES, Page, numbers, page, tables, verdict

from transferability.reports import findings


def few_splits(effects: pd.DataFrame, boosts: pd.DataFrame, replicates: int) -> bool:
    return any(
        (table["interval"].str.startswith("t over") & (table["replicates"] == replicates)).any()
        for table in (effects, boosts)
    )


def kind_occurs(effects: pd.DataFrame, boosts: pd.DataFrame, interval: str) -> bool:
    return interval in {*effects["interval"], *boosts["interval"]}


def one_replicate(effects: pd.DataFrame, boosts: pd.DataFrame) -> bool:
    return 1 in {*effects["replicates"], *boosts["replicates"]}


def has(effects: pd.DataFrame, name: str) -> bool:
    return (effects["effect"] == name).any()


# Each caveat, and when it applies.
CAVEATS = {
    "it is too narrow": lambda e, b: kind_occurs(e, b, "image interval"),
    "wider than a paired interval": lambda e, b: kind_occurs(e, b, "unpaired image interval"),
    "These numbers have no interval": lambda e, b: kind_occurs(e, b, "none"),
    "valid for this split alone": lambda e, b: kind_occurs(e, b, "t over seeds"),
    "for splits that are drawn in the same way": lambda e, b: kind_occurs(e, b, "t over splits"),
    "independent noise": lambda e, b: kind_occurs(e, b, "t of the linear model"),
    "one replicate alone cannot show": (lambda e, b: one_replicate(e, b) and has(e, "retraining")),
    "No effect of one replicate is certain": (
        lambda e, b: one_replicate(e, b) and not has(e, "retraining")
    ),
    "extends 12.7 standard errors": lambda e, b: few_splits(e, b, 2),
    "differences are missing": lambda e, b: e["missing"].any(),
    "of different target halves": lambda e, b: (
        (e.groupby(["split_kind", "target_size"])["target"].nunique() > 1)
        & ("random" in set(e["split_kind"]))
    ).any(),
    "There is no base2B here": (
        lambda e, b: has(e, "boost") and has(e, "self_boost") and not has(e, "long_base")
    ),
    "There is no BnB+ here": (
        lambda e, b: has(e, "boost") and has(e, "long_base") and not has(e, "self_boost")
    ),
    "Neither of the controls, base2B and BnB+, is here": (
        lambda e, b: has(e, "boost") and not (has(e, "self_boost") or has(e, "long_base"))
    ),
    "No AnB+ can be paired with a BnB+": (
        lambda e, b: has(e, "self_boost") and not has(e, "boost_over_selffer")
    ),
    "It is of target A, and the boost of target B": (
        lambda e, b: (
            set(e.loc[e["effect"] == "self_boost", "target"])
            != set(e.loc[e["effect"] == "boost", "target"])
            and has(e, "self_boost")
        )
    ),
    "compared with controls on target A (B vs A)": lambda e, b: "B vs A" in set(b["target"]),
    "they are compared all the same": lambda e, b: "through_base" in set(b["estimator"]),
    "have no score": lambda e, b: b["missing"].any(),
}


@pytest.mark.parametrize("caveat", CAVEATS)
def test_a_caveat_is_there_if_and_only_if_it_applies(caveat):
    applies = {study: bool(CAVEATS[caveat](*tables(study))) for study in STUDIES}
    assert {True, False} == set(applies.values())
    assert {study: caveat in page(study).text for study in STUDIES} == applies


def effect_of_one(mean: float, noise: float) -> str:
    """What is said of coadaptation at n = 1, 2 and 3, the last one twice as large, in one replicate
    in which retraining the base changed it by `noise`."""
    effects, boosts = tables("one")
    of_effect = effects["effect"] == "coadaptation"
    chosen = effects[(of_effect & (effects["n"] <= 3)) | (effects["effect"] == "retraining")]
    retraining = (chosen["effect"] == "retraining").to_numpy()
    means = np.where(retraining, noise, np.where(chosen["n"] == 3, 2 * mean, mean))
    chosen = chosen.assign(mean=means, low=means - 0.001, high=means + 0.001)
    read = Page(findings.page(chosen, boosts[:0]))
    return read.texts["random-all-coadaptation"]


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        (0.005, "All of these are larger than the change from retraining the base"),
        (0.015, "Of these, the one at n = 3 is larger than the change"),
        (0.050, "None of these is larger than the change from retraining the base"),
    ],
)
def test_effects_of_one_replicate_are_read_in_its_noise(noise, said):
    text = effect_of_one(-0.01, noise)
    assert said in text
    assert f"up to {100 * noise + 0.1:.1f} points" in text
    assert ("not distinguishable from training noise" in text) == (noise > 0.01)


def test_the_boost_stands_beside_its_controls_at_the_same_n():
    effects, _ = tables("six seeds")
    read = page("six seeds")
    by_effect = effects.set_index(["effect", "n"])
    header, *lines = read.rows["random-all-boost"]
    assert header[3:5] == ["BnB+ − baseB", "AnB+ − BnB+"]
    for line in lines:
        for place, effect in ((3, "self_boost"), (4, "boost_over_selffer")):
            assert numbers(line[place])[0] == pytest.approx(
                100 * by_effect.loc[(effect, int(line[0])), "mean"], abs=0.0501
            )
    long_base = 100 * by_effect.loc[("long_base", 0), "mean"]
    said = re.search(r"base2B − baseB: (.*)", read.texts["random-all-boost"])[1]
    assert numbers(said)[0] == pytest.approx(long_base, abs=0.0501)


@pytest.mark.parametrize(
    ("without", "said"),
    [
        (["long_base"], "There is no base2B here"),
        (["self_boost", "boost_over_selffer"], "There is no BnB+ here"),
        (
            ["long_base", "self_boost", "boost_over_selffer"],
            "Neither of the controls, base2B and BnB+, is here",
        ),
    ],
)
def test_a_control_that_is_not_there_is_named(without, said):
    effects, boosts = tables("six seeds")
    read = Page(findings.page(effects[~effects["effect"].isin(without)], boosts))
    assert said in read.texts["random-all-boost"]


def test_missing_differences_are_counted():
    effects, _ = tables("missing")
    for effect, rows in effects.groupby("effect"):
        text = page("missing").texts[f"random-all-{effect}"]
        missing = rows["missing"].sum()
        of = missing + rows["differences"].sum()
        assert (f"{missing} of {of} differences" in text) == (missing > 0)


@pytest.mark.parametrize("study", STUDIES)
def test_how_many_intervals_chance_alone_would_take_from_zero_is_said(study):
    effects, _ = tables(study)
    verdicts = [verdict(row) for row in effects.itertuples() if not np.isnan(row.low)]
    said = re.search(
        r"has (\w+) intervals?\. .* about ([\d.]+) of them would .*; (\w+) do", page(study).text
    )
    if not verdicts:
        assert said is None
        return
    assert said[1] == str(len(verdicts))
    assert float(said[2]) == pytest.approx(len(verdicts) / 20, abs=0.051)
    assert said[3] == str(len(verdicts) - verdicts.count("includes zero"))
