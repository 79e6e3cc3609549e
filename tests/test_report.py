"""The report as a reader sees it in a browser, on a desktop and on a phone."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from browser import Browser, opened
from project import Project
from selenium.webdriver.remote.webelement import WebElement
from test_workflow import FIGURES, PAGES, TABLES

pytestmark = pytest.mark.full

# Texts outside the window at a side; scrolling down is allowed, but not to the right.
CUT_OFF = """
const end = document.documentElement.clientWidth + 1;
return [...document.querySelectorAll("nav a, nav td, nav th, nav li, p")].filter((element) => {
  const box = element.getBoundingClientRect();
  return box.width && (box.right > end || box.left < -1);
}).map((element) => element.textContent);
"""


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory) -> Path:
    """The unpacked report of the tiny study."""
    project = Project.copied(tmp_path_factory.mktemp("report") / "project", results_of=finished)
    project.succeed("--report", "report.zip")
    with zipfile.ZipFile(project.folder / "report.zip") as file:
        file.extractall(project.folder)
    return project.folder / "report" / "report.html"


@pytest.fixture(scope="module", params=[1280, 390])
def window(request) -> Iterator[Browser]:
    with opened(request.param) as browser:
        yield browser


@pytest.fixture
def page(window, report) -> Iterator[Browser]:
    """The report in a window; at the end of the test it must have no errors."""
    window.open(report)
    yield window
    assert window.errors() == []
    assert {address.partition(":")[0] for address in window.requests()} == {"file", "data"}


def rows(page: Browser, category: str) -> dict[str, tuple[WebElement, WebElement]]:
    """The rows of a category: the links to each result and to its caption."""
    page.click(page.link(category))
    return {row.text: tuple(row.find_elements("tag name", "a")) for row in page.all("nav tbody tr")}


def test_the_categories_are_the_words_of_the_study(page):
    page.link("2 Figures")
    links = [link.text for link in page.all("nav a") if link.text]
    categories = ["1 What the numbers say", "2 Figures", "3 Tables"]
    assert links == ["Workflow", "Statistics", "About", *categories]
    assert "This is the study tiny." in page.all("main p, #app p")[0].text.replace("\n", " ")
    assert page.run(CUT_OFF) == []


def test_it_opens_with_the_findings_and_the_main_figures(page):
    (frame,) = page.all("#app iframe")
    height = page.run("return window.innerHeight")
    top = page.run("return arguments[0].getBoundingClientRect().top", frame)
    assert 0 <= top < height / 2
    with page.inside(frame):
        page.until("return document.querySelector('h1').textContent.includes('tiny')")
        assert page.overflow() <= 0
    figures = page.all("#app img.figure")
    assert [Path(figure.get_attribute("alt")).name for figure in figures] == [
        *("effects.svg", "transfer.svg")
    ]
    width = page.run("return document.documentElement.clientWidth")
    for figure in figures:
        page.until("return arguments[0].naturalWidth > 100", figure)
        assert min(0.6 * width, 500) < figure.rect["width"] <= width


def test_every_figure_is_wholly_visible_with_its_caption(page):
    listed = [f"{name.replace('_', ' ')} no" for name in FIGURES]
    listed += [f"{name} yes" for name in PAGES]
    assert sorted(rows(page, "2 Figures")) == sorted(listed)
    width = page.run("return document.documentElement.clientWidth")
    for name in listed:
        shown, told = rows(page, "2 Figures")[name]
        page.click(shown)
        if name.endswith(" yes"):
            (frame,) = page.all("#app iframe")
            assert frame.rect["width"] > min(0.9 * width, 500)
            with page.inside(frame):
                assert page.all("svg [role=img]")
                assert page.overflow() <= 0
        else:
            (picture,) = page.all(f"img[src*='{name.removesuffix(' no').replace(' ', '_')}']")
            page.until("return arguments[0].naturalWidth > 100", picture)
            box = page.run("return arguments[0].getBoundingClientRect().toJSON()", picture)
            assert box["left"] >= 0
            assert box["right"] <= width
            assert box["width"] > min(0.9 * width, 500)
        page.click(told)
        caption = " ".join(paragraph.text for paragraph in page.all("nav p"))
        assert len(caption.split()) > 30
        assert page.run(CUT_OFF) == []


def test_a_click_on_a_column_sorts_the_table(page, finished):
    listed = rows(page, "3 Tables")
    assert sorted(listed) == sorted(TABLES)
    page.click(listed["effects"][0])
    table = pd.read_csv(finished.results / "tables" / "effects.csv")
    (frame,) = page.all("#app iframe")
    with page.inside(frame):
        assert page.overflow() <= 0
        for column in ("mean", "effect"):
            place = list(table.columns).index(column) + 1
            (button,) = page.all(f"th:nth-child({place}) button")
            for ascending in (True, False):
                page.click(button)
                cells = [cell.text for cell in page.all(f"tbody td:nth-child({place})")]
                expected = table[column].sort_values(ascending=ascending)
                if column == "mean":
                    assert [float(text) for text in cells] == pytest.approx(
                        list(100 * expected), abs=0.05
                    )
                else:
                    assert cells == list(expected)


def test_the_findings_are_read_in_the_report(page):
    (listed,) = rows(page, "1 What the numbers say").values()
    page.click(listed[0])
    (frame,) = page.all("#app iframe")
    with page.inside(frame):
        assert page.overflow() <= 0
        assert "One replicate: numbers without verdicts." in page.all("main")[0].text


def test_results_in_another_folder_have_the_same_style(finished, tmp_path):
    project = Project.copied(tmp_path / "project", results_of=finished)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for part in ("results", "images", ".snakemake"):
        shutil.move(project.folder / part, elsewhere / part)
    project.succeed("--directory", str(elsewhere), "--report", str(elsewhere / "report.zip"))
    style = (project.folder / "profiles" / "default" / "report.css").read_text(encoding="utf-8")
    with zipfile.ZipFile(elsewhere / "report.zip") as file:
        assert style in file.read("report/report.html").decode("utf-8")
