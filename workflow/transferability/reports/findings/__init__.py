"""What the numbers say: the tables of effects and of the boost in, a page of sentences out."""

import pandas as pd

from transferability.reports.findings.document import document
from transferability.reports.findings.places import places
from transferability.reports.findings.sections import place_section
from transferability.reports.findings.summary import summary

__all__ = ["page"]


def page(effects: pd.DataFrame, boost: pd.DataFrame) -> str:
    """A self-contained HTML page that says of every effect, at every n, whether its 95 % interval
    excludes zero, with its number, its interval and the caveats that apply; Table 1 likewise.

    `effects` and `boost` are effects.csv and boost.csv of one study.

    Raises ValueError when they are of several studies.
    """
    studies = sorted({*effects["study"], *boost["study"]})
    if len(studies) > 1:
        raise ValueError(f"the tables are of several studies: {', '.join(studies)}; give one")
    title = " ".join(["What the numbers say:", *studies]) if studies else "What the numbers say"
    found = places(effects, boost)
    return document(title, [summary(found), *map(place_section, found)])
