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

from transferability.analysis.effects import estimate
from transferability.figures import Options, interactive, used
from transferability.figures.effects import LINES
from transferability.figures.style import LOOKS


def spec(page: str) -> dict:
    (found,) = re.findall(r"^const spec = (.*);$", page, re.MULTILINE)
    return json.loads(found)


# The lower line of each area and the name of its effect.
AREAS_BETWEEN = {
    "coadaptation": ("base", "fragile co-adaptation"),
    "self_boost": ("coadaptation", "fine-tuning recovers it"),
    "transfer": ("coadaptation", "representation specificity"),
    "boost": ("base", "transfer + fine-tuning improves"),
}


def page_without_scripts(page: str) -> str:
    return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def datasets(page: str, column: str) -> list[pd.DataFrame]:
    """The tables that a page draws and that have a column."""
    found = [rows for rows in spec(page)["datasets"].values() if column in rows[0]]
    return [pd.DataFrame(rows) for rows in found]


def marks(page: str) -> pd.DataFrame:
    """The rows of the marks that a page draws."""
    (rows,) = datasets(page, "network")
    return rows


def areas(page: str) -> pd.DataFrame:
    """Both heights of each area that a page draws, at each n."""
    return pd.concat(datasets(page, "lower"), ignore_index=True)


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


@pytest.mark.parametrize("study", ["one replicate", "dissimilar", "no selffer", "one n"])
def test_areas_lie_between_the_means_of_two_effects(study):
    _, effects = tables(study)
    page = interactive.effects(effects)
    drawn = areas(page)
    pools = effects["target"].where(effects["split_kind"] != "random", "")
    means = effects.assign(pool=pools, value=100 * effects["mean"])
    drawable = 0
    for upper, (lower, name) in AREAS_BETWEEN.items():
        for (split_kind, pool), rows in means.groupby(["split_kind", "pool"]):
            heights = rows.pivot(index="n", columns="effect", values="value").assign(base=0.0)
            expected = heights.reindex(columns=[lower, upper]).dropna()
            place = f"{split_kind} split" + (f", target {pool}" if pool else "")
            own = drawn[(drawn["area"] == upper) & (drawn["panel"] == place)]
            assert list(own["n"]) == list(expected.index)
            np.testing.assert_allclose(own[["lower", "upper"]].astype(float), expected)
            drawable += len(own)
        assert (name in page_without_scripts(page)) == (upper in set(drawn["area"]))
    assert drawable == len(drawn) > 0


def test_areas_between_lines_that_average_other_things_are_said_to_be_no_effects():
    _, effects = published_tables()
    words = "Areas between such lines are no paired effects"
    assert words in interactive.effects(effects)
    _, own = tables("eight replicates")
    assert words not in page_without_scripts(interactive.effects(own))


def test_the_published_lines_stand_behind_and_can_be_switched_off():
    _, own = tables("dissimilar")
    _, reference = published_tables()
    page = interactive.effects(own, reference)
    (drawn,) = datasets(page, "line")
    assert set(drawn["against"]) == {"thin, pale: 2014"}
    assert "thin, pale: 2014" in json.dumps(spec(page)["params"], ensure_ascii=False)
    transfer = drawn[(drawn["treatment"] == "AnB") & (drawn["panel"] == "random split")]
    rows = reference[
        (reference["effect"] == "transfer")
        & (reference["split_kind"] == "random")
        & (reference["target_size"].astype(str) == "all")
    ]
    assert list(transfer["value"]) == pytest.approx(list(100 * rows.sort_values("n")["mean"]))
    colours = set(drawn["colour"])
    assert colours.isdisjoint(look.colour.lower() for look in LINES.values())
    assert "published networks of 2014" in page
    assert "cut off" not in page_without_scripts(page)
    assert not datasets(interactive.effects(own), "line")


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


def test_other_words_for_a_treatment_do_not_change_the_names_of_networks():
    with used(Options(labels={"AnB": "transferred"})):
        found = marks(interactive.effects(tables("one replicate")[1]))
    transferred = found[found["treatment"] == "transferred"]
    assert list(transferred["network"]) == [f"A{n}B − baseB" for n in range(1, 8)]


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


@pytest.mark.full
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


@pytest.mark.full
def test_a_click_in_the_legend_switches_a_treatment_off_and_on(page):
    before = drawn(page)
    (label,) = [label for label in page.all(".role-legend-label text") if label.text == "AnB"]
    for count in (before - 3, before):
        ActionChains(page.driver).click(label).perform()
        page.until(
            f"return document.querySelectorAll('.mark-symbol.role-mark path').length == {count}"
        )


@pytest.mark.full
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


@pytest.fixture(scope="module")
def effects_page(tmp_path_factory) -> Browser:
    """The effects of a study before the published ones, on a phone."""
    file = Path(tmp_path_factory.mktemp("page")) / "effects.html"
    page = interactive.effects(tables("one replicate")[1], published_tables()[1])
    file.write_text(page, encoding="utf-8")
    with opened(390) as browser:
        browser.open(file)
        browser.all("svg .mark-symbol path")
        yield browser
        assert browser.errors() == []


# What of an area or of a line has an extent.
SEEN = """
return [...document.querySelectorAll(arguments[0])].filter((path) => path.getBBox().width).length
"""
AREAS, LINES_DRAWN = ".mark-area path", ".mark-line path"


@pytest.mark.full
@pytest.mark.parametrize(
    ("off", "left", "lines"),
    [
        ("AnB", 3, 6),
        ("BnB", 1, 6),
        ("AnB+", 3, 6),
        ("base2B", 4, 8),
        ("thin, pale: 2014", 4, 4),
    ],
)
def test_areas_and_published_lines_are_there_while_their_lines_are(effects_page, off, left, lines):
    (label,) = [label for label in effects_page.all(".role-legend-label text") if label.text == off]
    for shaded, drawn_lines in ((left, lines), (4, 8)):
        ActionChains(effects_page.driver).click(label).perform()
        effects_page.until(f"{SEEN.strip()} == {shaded}", AREAS)
        effects_page.until(f"{SEEN.strip()} == {drawn_lines}", LINES_DRAWN)


@pytest.mark.full
def test_areas_are_not_in_the_way_of_a_pointer(effects_page):
    at_last = {}
    for mark in effects_page.all(".mark-symbol.role-mark path"):
        told = dict(part.split(": ", 1) for part in mark.get_attribute("aria-label").split("; "))
        if told["n"] == "7":
            at_last[told["difference"]] = mark
    assert at_last.keys() == {f"{name} − baseB" for name in ("A7B", "A7B+", "B7B", "B7B+")}
    for name, mark in at_last.items():
        ActionChains(effects_page.driver).move_to_element(mark).perform()
        effects_page.until(
            "return document.querySelector('#vg-tooltip-element.visible')"
            "?.textContent.includes(arguments[0])",
            f"{name}mean (points)",
        )
    assert effects_page.overflow() <= 0
