"""Which networks count as having learned."""

import math

import pytest
from scipy.stats import binomtest

from transferability.study.learned import binomial_tail, reason, why_not


@pytest.mark.parametrize(
    ("hits", "trials", "chance"),
    [(0, 10, 0.2), (10, 10, 0.2), (45, 200, 0.2), (70, 2500, 0.02), (120, 25_000, 0.004)],
)
def test_the_test_of_learning_is_the_exact_binomial_test(hits, trials, chance):
    expected = binomtest(hits, trials, chance, "greater").pvalue
    assert binomial_tail(hits, trials, chance) == pytest.approx(expected, rel=1e-6)


def test_top1_must_be_significantly_above_chance():
    # By chance, 200 of 1,000 images are right, and 240 in 1 of 1,000 cases.
    assert why_not(0.2, 1000, 0.2, 5)
    assert why_not(0.239, 1000, 0.2, 5)
    assert not why_not(0.241, 1000, 0.2, 5)


def test_a_training_loss_near_guessing_is_not_learning():
    assert why_not(0.5, 1000, 0.2, 5, 0.96 * math.log(5))
    assert why_not(0.5, 1000, 0.2, 5, math.nextafter(0.95 * math.log(5), 2))
    assert not why_not(0.5, 1000, 0.2, 5, 0.94 * math.log(5))


def test_label_smoothing_raises_the_lowest_possible_loss():
    # A network that gives 68 % of two classes' images their own probability.
    assert not why_not(0.68, 10_000, 0.5, 2, 0.661, smoothing=0.3)
    assert why_not(0.5, 10_000, 0.5, 2, 0.69, smoothing=0.3)
    lowest = -0.85 * math.log(0.85) - 0.15 * math.log(0.15)
    for share, is_above in ((0.94, False), (0.96, True)):
        loss = lowest + share * (math.log(2) - lowest)
        assert bool(why_not(0.68, 10_000, 0.5, 2, loss, smoothing=0.3)) == is_above


def test_with_very_few_images_the_training_loss_decides():
    # Even 8 right of 8 have a probability of 1 in 256 at a chance of one half.
    assert not why_not(0.75, 8, 0.5, 2, 0.3)
    assert why_not(0.5, 8, 0.5, 2, 0.3)
    assert why_not(1.0, 8, 0.5, 2, 0.96 * math.log(2))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"top1": 0.475}, "not above chance by the test on 40 images"),
        ({"top1": 0.25, "validation_images": 20}, "not above chance on 20 images"),
        ({"train_loss": 1.35}, "training loss 1.350, above 1.317; guessing has 1.386"),
        # Without the number of classes, as in networks.csv.
        ({"top1": 0.475, "classes": None}, "not above chance by the test on 40 images"),
        ({"train_loss": 1.35, "classes": None}, "training loss 1.350"),
    ],
)
def test_the_reason_is_the_one_that_decides(changes, why):
    metrics = {"top1": 0.6, "validation_images": 40, "chance": 0.25, "classes": 4}
    assert reason({**metrics, "train_loss": 0.3, **changes}) == why
