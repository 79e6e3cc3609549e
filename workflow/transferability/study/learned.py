"""Whether a network learned: more than by chance, and with a training loss that left its start.

Standard library only: each training asks, and scipy would take a tenth of the time it starts in.
"""

from collections.abc import Mapping
from math import exp, lgamma, log, log1p

SIGNIFICANCE = 0.001
FEW_IMAGES = 30
LOSS_SHARE = 0.95
"""Of ln(classes), the loss of a network that guesses: above it, nothing was learned."""


def learned(
    top1: float, images: int, chance: float, classes: int, train_loss: float | None = None
) -> bool:
    """Whether top-1 on so many validation images lies above chance, by a one-sided exact binomial
    test, and the mean training loss (nats; None if unknown) well below that of guessing. Of fewer
    than FEW_IMAGES, which tell little, top-1 need only be above chance."""
    return not _why_not(top1, images, chance, classes, train_loss)


def _why_not(
    top1: float, images: int, chance: float, classes: int, train_loss: float | None
) -> str:
    guessing = log(classes)
    if train_loss is not None and train_loss > LOSS_SHARE * guessing:
        share = f"{100 * LOSS_SHARE:.0f} %"
        return f"training loss {train_loss:.3f}, above {share} of guessing's {guessing:.3f}"
    if images < FEW_IMAGES:
        return "" if top1 > chance else f"not above chance on {images:,} images"
    if binomial_tail(round(top1 * images), images, chance) < SIGNIFICANCE:
        return ""
    return f"not above chance by the test on {images:,} images"


def reason(metrics: Mapping) -> str:
    """Why a network is not said to have learned, as far as its metrics or its row of networks.csv
    tell; empty for one that learned."""
    keys = ("top1", "validation_images", "chance", "classes", "train_loss")
    top1, images, chance, classes, loss = map(metrics.get, keys)
    if images is None:
        return ""
    if classes is None:
        by_test = _why_not(top1, int(images), chance, 2, None)
        return by_test or (f"training loss {loss:.3f}" if loss is not None else "")
    return _why_not(top1, int(images), chance, classes, loss)


def binomial_tail(hits: int, trials: int, chance: float) -> float:
    """The probability of at least so many hits, each trial hitting with probability `chance`."""
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
