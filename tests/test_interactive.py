"""Interactive figures: the numbers in their pages, and hovering and clicking."""

import html
import re

import numpy as np
import pandas as pd
import pytest
from browser import Browser, opened
from drawn_figures import FAILED, draw, published_tables, tables
from made_networks import networks
from selenium.webdriver import ActionChains
from selenium.webdriver.common.action_chains import PointerInput
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.keys import Keys

from transferability import figures
from transferability.analysis.effects import estimate
from transferability.figures import Options, interactive, used
from transferability.figures.effects import DRAWN
from transferability.figures.notes import names_of
from transferability.figures.panels import with_not_learned


def letters(page: str, width: str = "page") -> str:
    """The text of the figure with this width, as a browser shows it."""
    svg = page[page.index(f'<svg class="{width}"') :]
    svg = re.sub(r"<!--.*?-->", "", svg[: svg.index("</svg>")], flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", svg)).split())


def marks(page: str, width: str = "page") -> pd.DataFrame:
    """The values that hovering shows for each mark in the figure with this width."""
    svg = page[page.index(f'<svg class="{width}"') :]
    shown = re.findall(r"""aria-label=(["'])(.*?)\1""", svg[: svg.index("</svg>")], re.DOTALL)
    return pd.DataFrame(
        dict(line.split(": ") for line in html.unescape(words).splitlines()) for _, words in shown
    )


@pytest.mark.parametrize("name", ["transfer", "effects"])
@pytest.mark.parametrize("study", ["did not learn", "two sizes"])
def test_a_page_has_the_printed_figure(study, name):
    printed = draw(name, study)
    with used(Options(explored=True)):
        explored = draw(name, study)
    for figure in (printed, explored):
        figure.draw_without_rendering()
    for ours, theirs in zip(printed.axes, explored.axes, strict=True):
        assert ours.get_position().bounds == theirs.get_position().bounds
        assert ours.axis() == theirs.axis()


@pytest.mark.parametrize("study", ["one replicate", "dissimilar", "two sizes"])
@pytest.mark.parametrize("width", ["page", "column"])
def test_a_page_of_networks_has_each_network(study, width):
    table, _ = tables(study)
    found = marks(interactive.page(figures.transfer, table), width).dropna(subset="network")
    found = found.set_index("network")["top-1 (%)"].astype(float)
    shown = table[table["kind"] != "random"]
    expected = 100 * shown["top1"].set_axis(names_of(shown))
    # A base is only a source if nothing else was trained on its half.
    left_out = expected.index.difference(found.index).str.split("/").str[2]
    assert {*left_out} <= {"baseA", "baseA@100"}
    np.testing.assert_allclose(found, expected[found.index], atol=0.01)


@pytest.mark.parametrize("study", ["one replicate", "dissimilar", "no selffer"])
def test_a_page_of_effects_has_the_rows_of_the_table(study):
    _, effects = tables(study)
    found = marks(interactive.page(figures.effects, effects))
    found["mean (points)"] = found["mean (points)"].str.replace("−", "-").astype(float)
    expected = effects[effects["effect"].isin(list(DRAWN))]
    # The title contains the number of one draw of the noise.
    found, expected = (rows[rows["effect"] != "retraining"] for rows in (found, expected))
    expected = expected.assign(mean=(100 * expected["mean"]).round(2)).astype(
        {"n": str, "replicates": str}
    )
    columns = ["effect", "n", "mean", "interval", "replicates", "layer"]
    found = found[["effect", "n", "mean (points)", "kind", "replicates", "layer"]]
    found, expected = (
        rows.set_axis(columns, axis=1).fillna("").sort_values(columns, ignore_index=True)
        for rows in (found, expected[columns])
    )
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, atol=0.01)


def test_a_network_that_did_not_learn_has_its_true_value():
    table, effects = tables("did not learn")
    page = interactive.page(figures.transfer, table)
    found = marks(page).set_index("network").loc[list(FAILED)]
    # Chance, which is far below the axis.
    assert {*found["top-1 (%)"]} == {"2.00"}
    assert all(name in letters(page) for name in FAILED)
    page = interactive.page(figures.effects, effects)
    assert all(name in letters(page) for name in FAILED[:2])
    lost = with_not_learned(effects[effects["effect"].isin(list(DRAWN))])
    shown = marks(page)["mean (points)"].str.replace("−", "-").astype(float)
    assert len(lost)
    assert all(np.isclose(shown, mean, atol=0.01).any() for mean in 100 * lost["mean"])


def test_published_lines_are_behind_the_others():
    _, of_study = tables("one replicate")
    alone = interactive.page(figures.effects, of_study)
    page = interactive.page(figures.effects, of_study, published_tables()[1])
    for width in ("page", "column"):
        assert "2014: CaffeNet" in letters(page, width)
        assert "2014: CaffeNet" not in letters(alone, width)
        pd.testing.assert_frame_equal(marks(page, width), marks(alone, width))


def test_a_study_without_treatments_says_so():
    table = networks()
    table = table[table["kind"] == "base"]
    for drawn, rows in ((figures.transfer, table), (figures.effects, estimate(table))):
        page = interactive.page(drawn, rows)
        assert "has no selffer or transfer networks" in letters(page)
        assert "has no selffer or transfer networks" in letters(page, "column")


@pytest.mark.parametrize("word", ["transplant", 'the "A" net', 'Anna\'s & "B" <net>', "$5 $n$ |"])
def test_a_page_uses_the_theme_and_the_words_of_the_study(word):
    with used(Options(theme="dark", labels={"AnB": word})):
        page = interactive.page(figures.transfer, networks())
    assert "background: #16181d" in page
    assert f"{word} transfer, frozen" in letters(page)
    assert "AnB " not in letters(page)
    assert word in set(marks(page)["treatment"])


@pytest.fixture(scope="module", params=[1280, 390])
def page(request, tmp_path_factory) -> Browser:
    """The page of a study with dissimilar halves, in a window of this width in pixels."""
    file = tmp_path_factory.mktemp("page") / "effects.html"
    text = interactive.page(figures.effects, tables("dissimilar")[1])
    file.write_text(text, encoding="utf-8")
    with opened(request.param) as browser:
        browser.open(file)
        yield browser
        assert browser.errors() == []
        assert {address.partition(":")[0] for address in browser.requests()} == {"file"}


def seen(page: Browser, selector: str) -> list:
    """The elements in the figure that the window shows."""
    return [element for element in page.all(selector) if element.is_displayed()]


@pytest.mark.full
def test_the_figure_fits_the_window_and_its_letters_can_be_read(page):
    (figure,) = seen(page, "svg")
    assert page.overflow() <= 0
    assert figure.rect["width"] > min(800, 0.9 * page.run("return innerWidth"))
    heights = [text.rect["height"] for text in seen(page, "svg .text text")]
    assert min(heights) > 9


@pytest.mark.full
@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_hovering_shows_effect_interval_and_replicates(page, kind):
    page.run("scrollTo(0, 0)")
    mark = seen(page, "svg [role=img]")[0]
    actions = ActionBuilder(page.driver, mouse=PointerInput(kind, kind))
    actions.pointer_action.move_to(mark)
    if kind == "touch":
        actions.pointer_action.pointer_down().pointer_up()
    actions.perform()
    page.until("return !document.querySelector('#words').hidden")
    (shown,) = page.all("#words")
    assert shown.text == mark.get_attribute("aria-label")
    assert all(word in shown.text for word in ("effect", "mean (points)", "kind", "replicates"))
    box, width = shown.rect, page.run("return innerWidth")
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


@pytest.mark.full
@pytest.mark.parametrize("how", ["click", "key"])
def test_a_click_in_the_legend_highlights_a_treatment(page, how):
    faint = "return document.querySelectorAll('.axes .faint').length"
    (entry,) = [label for label in seen(page, ".legend [role=button]") if "AnB " in label.text]

    def choose():
        if how == "click":
            ActionChains(page.driver).click(entry).perform()
        else:
            entry.send_keys(Keys.ENTER)

    assert page.run(faint) == 0
    choose()
    page.until(f"{faint} > 0")
    assert entry.get_attribute("aria-pressed") == "true"
    kept = page.run(
        "return [...document.querySelectorAll('.axes [data-of]:not(.faint)')]"
        ".map(part => part.dataset.of)"
    )
    assert {*kept} == {"A$n$B", "B0B"}
    choose()
    page.until(f"{faint} == 0")
