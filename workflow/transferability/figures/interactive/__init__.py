"""The main figures as pages to explore: a pointer names the network, a click on the legend switches
a treatment off and on."""

from transferability.figures.interactive.effects import effects
from transferability.figures.interactive.transfer import transfer

__all__ = ["effects", "transfer"]
