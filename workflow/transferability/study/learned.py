"""Tests whether a network learned: accuracy above chance, and a training loss below its start.

Uses only the standard library: each training runs this, and scipy would add a tenth to its start.
"""

from collections.abc import Mapping
from math import exp, lgamma, log, log1p

SIGNIFICANCE = 0.001
FEW_IMAGES = 30
LOSS_SHARE = 0.95
"""A loss above this share of the way from the lowest possible loss to guessing is not learned."""


def why_not(
    top1: float,
    images: int,
    chance: float,
    classes: int,
    train_loss: float | None = None,
    smoothing: float = 0.0,
) -> str:
    """The reason why a network did not learn; empty if it learned. It learned if top-1 on `images`
    validation images is above chance (one-sided exact binomial test) and the mean training loss
    (nats; None if unknown) is well below that of guessing. With fewer than FEW_IMAGES images, which
    are too few for the test, top-1 must only be above chance. `smoothing` is
    recipe.label_smoothing; with it, no loss is below the entropy of the labels."""
    guessing, other = log(classes), smoothing / classes
    labels = [1 - smoothing + other, *[other] * (classes - 1)]
    lowest = -sum(share * log(share) for share in labels if share)
    limit = lowest + LOSS_SHARE * (guessing - lowest)
    if train_loss is not None and train_loss > limit:
        return f"training loss {train_loss:.3f}, above {limit:.3f}; guessing has {guessing:.3f}"
    if images < FEW_IMAGES:
        return "" if top1 > chance else f"not above chance on {images:,} images"
    if binomial_tail(round(top1 * images), images, chance) < SIGNIFICANCE:
        return ""
    return f"not above chance by the test on {images:,} images"


def reason(metrics: Mapping) -> str:
    """The reason why a network did not learn, from its metrics or its row of networks.csv; empty if
    it learned or if these do not show it."""
    keys = ("top1", "validation_images", "chance", "classes", "train_loss")
    top1, images, chance, classes, loss = map(metrics.get, keys)
    if images is None:
        return ""
    if classes is None:
        by_test = why_not(top1, int(images), chance, 2)
        return by_test or (f"training loss {loss:.3f}" if loss is not None else "")
    smoothing = metrics["identity"]["recipe"]["label_smoothing"] if "identity" in metrics else 0.0
    return why_not(top1, int(images), chance, classes, loss, smoothing)


def binomial_tail(hits: int, trials: int, chance: float) -> float:
    """The probability of at least `hits` hits in `trials` trials with probability `chance`."""
    return sum(
        exp(
            lgamma(trials + 1)
            - lgamma(count + 1)
            - lgamma(trials - count + 1)
            + count * log(chance)
            + (trials - count) * log1p(-chance)
        )
        for count in range(hits, trials + 1)
    )
