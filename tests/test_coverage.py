"""95 % intervals contain the true effect in about 95 of 100 simulated studies."""

import numpy as np
import pandas as pd
import pytest
from project import ROOT
from scipy import stats

from transferability.analysis.boost import boost
from transferability.analysis.effects import estimate

# The expected top-1 of each network; their differences are the true effects.
EXPECTED = {
    "baseB": ("base", 0, False, 0.60),
    "B1B": ("selffer", 1, False, 0.58),
    "A1B": ("transfer", 1, False, 0.55),
    "B1B+": ("selffer", 1, True, 0.615),
    "A1B+": ("transfer", 1, True, 0.62),
}


def studies(draws: int) -> pd.DataFrame:
    """Simulated studies of eight splits with known effects.

    A split shifts all its networks together (std three points) and each treatment separately (one
    point), since its classes suit it more or less; each training adds half a point of noise.
    """
    random = np.random.default_rng(0)
    shape = (draws, 8, len(EXPECTED))
    top1 = np.broadcast_to([top1 for *_, top1 in EXPECTED.values()], shape).copy()
    top1 += random.normal(0, 0.03, shape[:2])[..., None]
    top1 += random.normal(0, 0.01, shape)
    top1 += random.normal(0, 0.005, shape)
    index = pd.MultiIndex.from_product(
        [range(draws), [f"random{k}" for k in range(8)], EXPECTED],
        names=["study", "split", "network"],
    )
    table = pd.DataFrame({"top1": top1.ravel()}, index=index).reset_index()
    facts = pd.DataFrame.from_dict(EXPECTED, orient="index").iloc[:, :3]
    facts.columns = ["kind", "n", "fine_tuned"]
    return table.merge(facts, left_on="network", right_index=True, how="left").assign(
        seed=0, target="B", target_size="all", source=""
    )


def covered(table: pd.DataFrame, truth: float) -> float:
    return ((table["low"] <= truth) & (truth <= table["high"])).mean()


def test_intervals_of_effects_have_their_coverage():
    effects = estimate(studies(draws=2000))
    truths = {"coadaptation": -0.02, "specificity": -0.03, "boost": 0.02}
    for effect, truth in truths.items():
        assert 0.93 <= covered(effects[effects["effect"] == effect], truth) <= 0.97


@pytest.mark.full
@pytest.mark.parametrize("gaps", [False, True])
def test_intervals_of_the_boost_have_their_coverage(gaps):
    """Also if, as in 2014, one half has the AnB+ and the other has the BnB+."""
    of_half_b = studies(draws=300)
    of_half_a = of_half_b.assign(
        target="A",
        # The other half has other noise and harder classes.
        top1=studies(draws=600)["top1"].to_numpy()[len(of_half_b) :] - 0.05,
    )
    table = pd.concat([of_half_b, of_half_a])
    if gaps:
        plus = table["fine_tuned"]
        lost = plus & ((table["kind"] == "transfer") == (table["target"] == "A"))
        table = table.assign(top1=table["top1"].mask(lost))
    estimates = boost(table)
    estimates = estimates[estimates["comparison"] == "selffer"]
    if gaps:
        # The difference of the halves is mistaken for that of the treatments.
        assert covered(estimates[estimates["estimator"] == "pooled"], 0.005) < 0.5
    for estimator in ("through_base", "linear_model") if gaps else ("paired", "pooled"):
        own = estimates[estimates["estimator"] == estimator]
        assert len(own) == 300
        assert covered(own, 0.005) >= 0.92, estimator
        if estimator != "linear_model":
            assert covered(own, 0.005) <= 0.98, estimator


@pytest.mark.full
def test_the_image_bootstrap_covers_the_difference_on_all_images():
    """With one training each, the interval is for more images, not for more trainings."""
    draws, images = 300, 500
    random = np.random.default_rng(0)
    table = studies(draws).query("split == 'random0'").assign(validation_images=images)
    # Images differ in difficulty, so both networks fail on the same ones.
    hardness = random.normal(0, 1, (draws, images))
    skill = {"A1B": 0.2, "B1B": 0.4}
    drawn = {
        name: hardness + random.normal(0, 0.5, (draws, images)) < level
        for name, level in skill.items()
    }
    table = table[table["network"].isin(skill)].assign(
        top1=lambda rows: [
            drawn[name][study].mean()
            for name, study in zip(rows["network"], rows["study"], strict=True)
        ]
    )
    effects = estimate(table, lambda row: drawn[row["network"]][row["study"]])
    expected = {name: stats.norm.cdf(level / np.hypot(1, 0.5)) for name, level in skill.items()}
    assert set(effects["interval"]) == {"image interval"}
    assert 0.92 <= covered(effects, expected["A1B"] - expected["B1B"]) <= 0.98


STORED = ROOT / "benchmarks" / "calibration.csv"
PAIRS = {
    "coadaptation": ("B{n}B", "baseB"),
    "specificity": ("A{n}B", "B{n}B"),
    "boost": ("A{n}B+", "baseB"),
    "boost_over_selffer": ("A{n}B+", "B{n}B+"),
}


@pytest.mark.full
@pytest.mark.parametrize("design", ["seeds", "splits"])
@pytest.mark.parametrize("size", [3, 4, 6])
def test_intervals_over_real_trainings_cover_and_rarely_err(design, size, monkeypatch):
    """The accuracies are from benchmarks/calibration.py, which has more draws and effects."""
    monkeypatch.syspath_prepend(STORED.parent)
    from calibration import covered as covered_by_subsets

    trained = pd.read_csv(STORED)
    trained = trained[trained["design"] == design]
    differences = pd.concat(
        trained[["split", "seed"]].assign(
            effect=effect,
            n=n,
            difference=trained[treated.format(n=n)] - trained[control.format(n=n)],
        )
        for effect, (treated, control) in PAIRS.items()
        for n in (1, 3, 5, 7)
    )
    inside, wrong = covered_by_subsets(differences, size, 200, ["draw", "effect"])
    assert 0.93 <= inside <= 0.97
    assert wrong <= 0.05
