"""The figures, one module each: tables in, a matplotlib figure out."""

from transferability.figures.boost import boost
from transferability.figures.cost import cost
from transferability.figures.data_size import data_size
from transferability.figures.dissimilar import dissimilar
from transferability.figures.effects import effects
from transferability.figures.filters import filters
from transferability.figures.learning_curves import learning_curves
from transferability.figures.style import Options, save, used
from transferability.figures.transfer import transfer

__all__ = [
    "Options",
    "boost",
    "cost",
    "data_size",
    "dissimilar",
    "effects",
    "filters",
    "learning_curves",
    "save",
    "transfer",
    "used",
]
