"""Whether a network learned: more than by chance, and with a training loss that left its start.

Standard library only: each training asks, and scipy would take a tenth of the time it starts in.
"""

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
    if train_loss is not None and train_loss > LOSS_SHARE * log(classes):
        return False
    if images < FEW_IMAGES:
        return top1 > chance
    return binomial_tail(round(top1 * images), images, chance) < SIGNIFICANCE


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
