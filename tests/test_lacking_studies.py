"""Studies without some networks, from the study file to the tables."""

import pandas as pd
import pytest
from made_networks import of
from project import Project

OMITTED = [{"network": ["A3B+", "B7B"]}, {"kind": "random", "n": 3}]
OMITTED_NAMES = ["A3B+", "B7B", "R3B"]


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.results / "tables" / f"{name}.csv")


@pytest.mark.full
def test_three_networks_are_left_out(project):
    before = {name: table(project, name) for name in ("networks", "effects", "differences")}
    project.write_study(omit=OMITTED)
    jobs = project.jobs()
    assert not any("train" in job for job in jobs)
    assert {"collect_networks", "estimate_effects", "plot_transfer"} <= jobs
    project.succeed()
    networks = table(project, "networks").set_index("network")
    left_out = networks["top1"].isna()
    assert set(networks.index[left_out]) == {"A3B+", "B7B", "R3B"}
    pd.testing.assert_frame_equal(
        networks[~left_out],
        before["networks"].set_index("network")[~left_out],
        check_dtype=False,
    )
    needed = before["differences"]
    lost = needed["network"].isin(OMITTED_NAMES) | needed["control"].isin(OMITTED_NAMES)
    gone = set(needed.loc[lost, ["effect", "n"]].itertuples(index=False, name=None))
    assert gone == {
        *(("boost", 3), ("boost_over_selffer", 3), ("gain_over_long", 3), ("random", 3)),
        *(("coadaptation", 7), ("recovery", 7), ("specificity", 7)),
    }
    effects = before["effects"]
    kept = [(row.effect, row.n) not in gone for row in effects.itertuples()]
    pd.testing.assert_frame_equal(
        table(project, "effects"), effects[kept].reset_index(drop=True), check_exact=True
    )
    log = (project.results / "logs" / "estimate_effects.log").read_text(encoding="utf-8")
    for effect, _ in gone:
        (line,) = [line for line in log.splitlines() if f"effect {effect}: 1 of 2 " in line]
        assert "which has no" in line
    boost = of(table(project, "boost"), comparison="selffer")
    assert set(boost["missing"]) == {1, 0}
    # When they are restored, nothing is trained.
    project.write_study()
    assert not any("train" in job for job in project.jobs())
