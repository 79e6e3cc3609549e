"""The figures, one module each. Each makes a matplotlib figure from tables."""

from transferability.figures.boost import boost as boost
from transferability.figures.compare import compare as compare
from transferability.figures.contact_sheet import contact_sheet as contact_sheet
from transferability.figures.cost import cost as cost
from transferability.figures.data_size import data_size as data_size
from transferability.figures.decision import decision as decision
from transferability.figures.dissimilar import dissimilar as dissimilar
from transferability.figures.effects import effects as effects
from transferability.figures.filters import filters as filters
from transferability.figures.learning_curves import learning_curves as learning_curves
from transferability.figures.mechanism import mechanism as mechanism
from transferability.figures.predictors import predictors as predictors
from transferability.figures.style import DOTS_PER_INCH as DOTS_PER_INCH
from transferability.figures.style import Options as Options
from transferability.figures.style import save as save
from transferability.figures.style import styled as styled
from transferability.figures.style import used as used
from transferability.figures.transfer import random_features as random_features
from transferability.figures.transfer import transfer as transfer
