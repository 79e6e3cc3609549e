import re

import matplotlib as mpl
import numpy as np
import pytest
from made_networks import networks

from transferability import figures
from transferability.analysis.boost import boost
from transferability.analysis.effects import estimate


def test_saved_files_are_reproducible_and_complete(tmp_path):
    table = networks()
    effects, gains = estimate(table), boost(table)
    bases = {"baseA": np.random.default_rng(0).standard_normal((4, 3, 3, 3))}
    for attempt in ("first", "second"):
        # A user's own settings must not show.
        with mpl.rc_context({"font.size": 20, "svg.hashsalt": attempt, "pdf.fonttype": 3}):
            figures.save(figures.effects(effects), tmp_path / attempt / "effects")
            figures.save(figures.boost(gains), tmp_path / attempt / "boost")
            figures.save(figures.filters(bases), tmp_path / attempt / "filters")
    drawn = ("boost", "effects", "filters")
    names = [f"{name}.{kind}" for name in drawn for kind in ("pdf", "png", "svg")]
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == names
    for name in names:
        first = (tmp_path / "first" / name).read_bytes()
        assert first == (tmp_path / "second" / name).read_bytes()
        assert not re.search(rb"CreationDate|<dc:date>", first)


def test_a_failed_save_leaves_the_former_file(tmp_path, monkeypatch):
    figure = figures.filters({"baseA": np.zeros((4, 3, 3, 3))})
    (tmp_path / "filters.svg").write_text("former")

    def fail(path, **settings):
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        figures.save(figure, tmp_path / "filters")
    assert [path.name for path in tmp_path.iterdir()] == ["filters.svg"]
    assert (tmp_path / "filters.svg").read_text() == "former"
