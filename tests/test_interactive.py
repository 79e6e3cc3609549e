"""The figures to explore: the numbers that their pages hold, and what a pointer does there."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from browser import Browser, opened
from drawn_figures import FAILED, published_tables, tables
from made_networks import networks, of
from selenium.webdriver import ActionChains

from transferability.analysis.effects import estimate
from transferability.figures import Options, interactive, used
from transferability.figures.effects import LINES
from transferability.figures.notes import names_of
from transferability.figures.panels import without_not_learned


def spec(page: str) -> dict:
    (found,) = re.findall(r"^ *const spec = (.*);$|^ *var spec = (.*);$", page, re.MULTILINE)
    return json.loads(max(found, key=len))


def datasets(page: str, column: str) -> list[pd.DataFrame]:
    """The tables that a page draws and that have a column."""
    found = [rows for rows in spec(page)["datasets"].values() if rows and column in rows[0]]
    return [pd.DataFrame(rows) for rows in found]


def note(page: str) -> str:
    """The sentences below the chart."""
    return page[page.rindex("<p>") :]


def marks(page: str) -> pd.DataFrame:
    """The rows that a pointer names."""
    return pd.concat(datasets(page, "name"), ignore_index=True)


@pytest.mark.parametrize("study", ["one replicate", "dissimilar", "two sizes"])
def test_a_page_of_networks_has_each_network(study):
    table, _ = tables(study)
    found = marks(interactive.transfer(table)).set_index("name")["value"]
    shown = table[table["kind"] != "random"]
    expected = 100 * shown["top1"].set_axis(names_of(shown))
    # Bases of halves on which nothing else was trained are sources only.
    left_out = expected.index.difference(found.index).str.split("/").str[2]
    assert {*left_out} <= {"baseA", "baseA@100"}
    np.testing.assert_allclose(found, expected[found.index], atol=0.01)


@pytest.mark.parametrize("study", ["one replicate", "dissimilar", "no selffer"])
def test_a_page_of_effects_has_the_rows_of_the_table(study):
    _, effects = tables(study)
    columns = ["name", "n", "value", "interval", "replicates"]
    expected = effects[effects["effect"].isin([*LINES, "long_base"])]
    expected = expected.assign(value=(100 * expected["mean"]).round(2), name=expected["effect"])
    found, expected = (
        rows[columns].sort_values(columns, ignore_index=True)
        for rows in (marks(interactive.effects(effects)), expected)
    )
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_what_did_not_learn_is_named_and_stands_at_the_edge():
    table, effects = tables("did not learn")
    page = interactive.transfer(table)
    found = marks(page).set_index("name")
    assert all(name in found.index for name in FAILED)
    # The chance that the tooltip tells lies far below the axis.
    assert set(found.loc[list(FAILED), "value"]) == {2.0}
    assert found["height"].min() > 50
    assert all(name in note(page) for name in FAILED)
    page = interactive.effects(effects)
    assert all(name in note(page) for name in FAILED[:2])
    drawn = without_not_learned(effects[effects["effect"].isin([*LINES, "long_base"])])
    lost = marks(page).dropna(subset="height")
    means = 100 * effects.loc[effects["not_learned"].fillna("").ne(""), "mean"]
    assert all(np.isclose(means, value, atol=0.01).any() for value in lost["value"])
    # The axis has the bars too.
    assert lost["value"].max() > lost["height"].max() == pytest.approx(100 * drawn["high"].max())


def test_a_page_of_a_study_in_which_nothing_learned_shows_crosses_alone():
    table, effects = tables("nothing learned")
    assert set(marks(interactive.transfer(table))["value"]) == {2.0}
    assert set(marks(interactive.effects(effects))["value"]) == {0.0}


def test_the_published_lines_stand_behind():
    _, own = tables("one replicate")
    _, reference = published_tables()
    page = interactive.effects(own, reference)
    values = 100 * of(reference, effect="transfer", split_kind="random")["mean"]
    drawn = [rows["value"] for rows in datasets(page, "value") if len(rows) == 7]
    assert any(np.allclose(heights, values, atol=0.01) for heights in drawn)
    assert "2014: CaffeNet" in note(page)
    assert "2014: CaffeNet" not in note(interactive.effects(own))


def test_a_study_without_treatments_says_so():
    table = networks()
    table = table[table["kind"] == "base"]
    assert "has no selffer or transfer networks" in interactive.transfer(table)
    assert "has no selffer or transfer networks" in interactive.effects(estimate(table))


def test_a_page_takes_the_theme_and_the_words_of_the_study():
    with used(Options(theme="dark", labels={"AnB": "transplant"})):
        page = interactive.transfer(networks())
    assert spec(page)["config"]["background"] == "#16181d"
    assert {"transplant", "AnB+"} <= set(marks(page)["treatment"])
    assert "AnB" not in set(marks(page)["treatment"])
    fill = spec(page)["layer"][-1]["encoding"]["fill"]["scale"]
    faces = dict(zip(fill["domain"], fill["range"], strict=True))
    # Open markers, through which the paper shows.
    assert [name for name, face in faces.items() if face == "#16181d"] == ["base2B", "BnB+", "AnB+"]


@pytest.fixture(scope="module", params=[1280, 390])
def page(request, tmp_path_factory) -> Browser:
    """The page of a study with dissimilar halves, in a window of so many pixels."""
    file = tmp_path_factory.mktemp("page") / "effects.html"
    file.write_text(interactive.effects(tables("dissimilar")[1]), encoding="utf-8")
    with opened(request.param) as browser:
        browser.open(file)
        browser.all("svg .mark-symbol path")
        yield browser
        assert browser.errors() == []
        assert {address.partition(":")[0] for address in browser.requests()} == {"file"}


@pytest.mark.full
def test_a_pointer_on_a_mark_tells_its_effect_interval_and_replicates(page):
    last = page.all(".mark-symbol.role-mark path")[-1]
    ActionChains(page.driver).move_to_element(last).perform()
    page.until("return document.querySelector('#vg-tooltip-element.visible')")
    (shown,) = page.all("#vg-tooltip-element")
    assert all(word in shown.text for word in ("effect", "mean (points)", "kind", "replicates"))


@pytest.mark.full
def test_a_click_in_the_legend_brings_out_a_treatment(page):
    faint = (
        "return document.querySelectorAll('.mark-symbol.role-mark path[opacity=\"0.1\"]').length"
    )
    (label,) = [label for label in page.all(".role-legend-label text") if label.text == "AnB"]
    assert page.run(faint) == 0
    ActionChains(page.driver).click(label).perform()
    page.until(f"{faint} > 0")
    ActionChains(page.driver).click(label).perform()
    page.until(f"{faint} == 0")


@pytest.mark.full
def test_another_panel_is_chosen_from_a_list(page):
    (choice,) = page.all("select")
    places = ["random split", *(f"dissimilar split, target {half}" for half in "AB")]
    assert [option.text for option in page.all("select option")] == places
    axis = "return document.querySelector('.mark-symbol.role-mark path').ariaLabel"
    before = page.run(axis)
    choice.send_keys(places[-1])
    page.until(f"{axis} != {before!r}")
