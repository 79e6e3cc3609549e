"""The figures to explore: the numbers that their pages hold, and what a pointer does there."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import Browser, opened
from drawn_figures import STUDIES, published_tables, tables
from made_networks import networks
from selenium.webdriver import ActionChains

from transferability.effects import estimate
from transferability.figures import Options, interactive, used
from transferability.figures.style import LOOKS


def spec(page: str) -> dict:
    (found,) = re.findall(r"^const spec = (.*);$", page, re.MULTILINE)
    return json.loads(found)


def marks(page: str) -> pd.DataFrame:
    """The rows of the marks that a page draws."""
    found = [rows for rows in spec(page)["datasets"].values() if "network" in rows[0]]
    (rows,) = found
    return pd.DataFrame(rows)


@pytest.mark.parametrize("study", [study for study in STUDIES if study != "random alone"])
def test_a_page_of_networks_has_the_means_of_the_table(study):
    table, _ = tables(study)
    found = marks(interactive.transfer(table))
    # Halves of random splits are alike; others are panels of their own.
    drawn = table[table["kind"] != "random"].dropna(subset="top1")
    for treatment, look in LOOKS.items():
        own = drawn[(drawn["kind"] == treatment[0]) & (drawn["fine_tuned"] == treatment[1])]
        shown = found[found["treatment"] == look.label.replace("$n$", "n")]
        random = own[own["split"].str.startswith("random") & (own["target_size"] == "all")]
        expected = 100 * random.groupby("n")["top1"].mean()
        at = shown[shown["panel"] == "random split"].groupby("n")["value"].mean()
        if treatment[0] not in ("base", "random"):
            assert list(at) == pytest.approx(list(expected))


@pytest.mark.parametrize("study", [study for study in STUDIES if study != "random alone"])
def test_a_page_of_effects_has_the_rows_of_the_table(study):
    _, effects = tables(study)
    found = marks(interactive.effects(effects))
    names = ["coadaptation", "self_boost", "transfer", "boost", "long_base"]
    expected = effects[effects["effect"].isin(names)]
    expected = expected.assign(value=100 * expected["mean"])
    found, expected = (
        # Alike on random splits and others, but for rounding.
        rows.assign(rounded=rows["value"].round(6)).sort_values(["effect", "n", "rounded", "low"])
        for rows in (found, expected)
    )
    assert list(found["effect"]) == list(expected["effect"])
    for ours, theirs in (("value", "mean"), ("low", "low"), ("high", "high")):
        np.testing.assert_allclose(found[ours].astype(float), 100 * expected[theirs])
    assert list(found["replicates"]) == list(expected["replicates"])
    assert list(found["interval"]) == list(expected["interval"])


def test_a_mark_is_named_by_its_network_and_its_difference():
    table = networks(noise=0.002)
    found = marks(interactive.transfer(table)).set_index("network")
    assert found.loc["A3B+", "treatment"] == "AnB+"
    assert found.loc["A3B+", "interval"] == "Wilson over 2,500 validation images"
    differences = marks(interactive.effects(estimate(table)))["network"]
    assert {"A3B+ − baseB", "base2B − baseB"} <= set(differences)


def test_the_words_below_say_where_lines_differ_in_what_they_average():
    table, effects = published_tables()
    for page in (interactive.transfer(table), interactive.effects(effects)):
        assert "lines differ in what they average" in page
        assert "BnB+: target A" in page
    assert "lines differ" not in interactive.transfer(networks())


def test_a_study_without_treatments_says_so():
    table = networks()
    table = table[table["kind"] == "base"]
    assert "has no selffer or transfer networks" in interactive.transfer(table)
    assert "has no selffer or transfer networks" in interactive.effects(estimate(table))


def test_a_page_takes_the_theme_and_the_words_of_the_study():
    with used(Options(theme="dark", labels={"AnB": "transplant </script>"})):
        page = interactive.transfer(networks())
    assert spec(page)["config"]["background"] == "#16181d"
    assert "transplant </script>" in set(marks(page)["treatment"])
    assert "AnB" not in set(marks(page)["treatment"])
    assert "transplant </script>" not in page


@pytest.fixture(scope="module", params=[1280, 390])
def page(request, tmp_path_factory) -> Browser:
    """The page of a study with dissimilar halves, in a window of so many pixels."""
    file = Path(tmp_path_factory.mktemp("page")) / "transfer.html"
    file.write_text(interactive.transfer(tables("dissimilar")[0]), encoding="utf-8")
    with opened(request.param) as browser:
        browser.open(file)
        browser.all("svg .mark-symbol path")
        yield browser
        assert browser.errors() == []
        assert {address.partition(":")[0] for address in browser.requests()} == {"file"}


def drawn(page: Browser) -> int:
    return page.run("return document.querySelectorAll('.mark-symbol.role-mark path').length")


def test_a_pointer_on_a_mark_tells_its_network_accuracy_interval_and_replicates(page):
    assert page.overflow() <= 0
    last = page.all(".mark-symbol.role-mark path")[-1]
    ActionChains(page.driver).move_to_element(last).perform()
    page.until("return document.querySelector('#vg-tooltip-element.visible')")
    (told,) = page.all("#vg-tooltip-element")
    words = ("network", "top-1 (%)", "95 % interval", "t over splits", "replicates")
    assert all(word in told.text for word in words)
    box = page.run("return arguments[0].getBoundingClientRect().toJSON()", told)
    assert box["left"] >= 0
    assert box["right"] <= page.run("return window.innerWidth")


def test_a_click_in_the_legend_switches_a_treatment_off_and_on(page):
    before = drawn(page)
    (label,) = [label for label in page.all(".role-legend-label text") if label.text == "AnB"]
    for count in (before - 3, before):
        ActionChains(page.driver).click(label).perform()
        page.until(
            f"return document.querySelectorAll('.mark-symbol.role-mark path').length == {count}"
        )


def test_another_panel_is_chosen_from_a_list(page):
    (choice,) = page.all("select")
    assert [option.text for option in page.all("select option")] == [
        "random split",
        "dissimilar split, target A",
        "dissimilar split, target B",
    ]
    axis = "return document.querySelector('.mark-symbol.role-mark path').ariaLabel"
    before = page.run(axis)
    choice.send_keys("dissimilar split, target B")
    page.until(
        f"return document.querySelector('.mark-symbol.role-mark path').ariaLabel != {before!r}"
    )
