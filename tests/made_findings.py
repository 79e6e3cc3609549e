"""Pages of findings of made studies, and a reader of such pages."""

import io
import re
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pandas as pd
from made_networks import correctness, networks

from transferability.analysis.boost import boost
from transferability.analysis.effects import estimate
from transferability.reports import findings

FOUR_SPLITS = ("random0", "random1", "random2", "random3")
VOID = {"meta", "br"}


def without_some(table: pd.DataFrame) -> pd.DataFrame:
    """The table with one treated network in seven without a score."""
    treated = (table["kind"] != "base").to_numpy()
    lost = treated & (np.random.default_rng(1).random(len(table)) < 1 / 7)
    return table.assign(top1=table["top1"].mask(lost))


def as_published(table: pd.DataFrame) -> pd.DataFrame:
    """As in 2014: AnB+ on B halves alone, BnB+ on A halves alone, one split more than another."""
    plus = table["fine_tuned"]
    wrong = (table["kind"] == "transfer") & (table["target"] == "A")
    wrong |= (table["kind"] == "selffer") & (table["target"] == "B")
    late = ~table["split"].isin(["random0", "random1"])
    few = (table["split"] == "random1") & (table["n"] > 3)
    table = table.assign(top1=table["top1"].mask(plus & (wrong | late | few)))
    return table[~table["kind"].isin(["long_base", "random"]) & (table["network"].str[1] != "0")]


STUDIES = {
    "one": lambda: (networks(noise=0.006), correctness),
    "without predictions": lambda: (networks(noise=0.006), None),
    "without intervals": lambda: (networks().drop(columns="validation_images"), None),
    "six seeds": lambda: (networks(seeds=range(6), noise=0.008), None),
    "two splits": lambda: (networks(splits=FOUR_SPLITS[:2], noise=0.006), None),
    "four splits": lambda: (networks(splits=FOUR_SPLITS, targets="AB", noise=0.006), None),
    "missing": lambda: (
        without_some(networks(splits=FOUR_SPLITS, targets="AB", noise=0.006)),
        None,
    ),
    "dissimilar": lambda: (
        networks(splits=("dissimilar",), targets="AB", layers=(0, 1, 2, 5, 7), noise=0.006),
        correctness,
    ),
    "without controls": lambda: (
        networks(
            splits=FOUR_SPLITS, treatments=(("transfer", True), ("transfer", False)), noise=0.006
        ).query("kind != 'long_base'"),
        None,
    ),
    "without selffers": lambda: (
        networks(splits=FOUR_SPLITS, treatments=(("transfer", True),), noise=0.006),
        None,
    ),
    "sizes": lambda: (
        networks(splits=("random0", "dissimilar"), target_sizes=("100", "all"), noise=0.006),
        None,
    ),
    "published": lambda: (
        as_published(networks(splits=FOUR_SPLITS, targets="AB", noise=0.006)),
        None,
    ),
}


@cache
def tables(study: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Effects and boost of a made study, as they are read from CSV."""
    made, correct = STUDIES[study]()
    written = [
        table.to_csv(index=False) for table in (estimate(made, correct), boost(made, correct))
    ]
    effects, boosts = (pd.read_csv(io.StringIO(text), dtype={"n": str}) for text in written)
    return effects.astype({"n": int}), boosts


class Page(HTMLParser):
    """A page read: its text as a reader sees it, and that of its sections; complains about tags
    that do not match."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.tags, self.ids, self.links = [], [], [], []
        self.texts: dict[str, str] = {}
        self.rows: dict[str, list[list[str]]] = {}
        self.feed(html)
        self.close()
        assert not self.open
        for name, text in self.texts.items():
            self.texts[name] = re.sub(r" *\n *", "\n", re.sub(" +", " ", text))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.links += [attributes["href"]] if "href" in attributes else []
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in VOID:
            self.open.append((tag, attributes.get("id", "")))
        for section in self.sections():
            if tag == "tr":
                self.rows.setdefault(section, []).append([])
            if tag in ("td", "th"):
                self.rows[section][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag
        if tag in ("p", "li", "h1", "h2", "h3", "td"):
            self.add("\n")

    def handle_data(self, data):
        if not any(tag == "style" for tag, _ in self.open):
            # As a browser shows it: line breaks are spaces.
            self.add(data.replace("\n", " ").replace("\N{NO-BREAK SPACE}", " "))

    def add(self, text):
        for section in ["", *self.sections()]:
            self.texts[section] = self.texts.get(section, "") + text
            if section and any(tag in ("td", "th") for tag, _ in self.open):
                self.rows[section][-1][-1] += text.strip()

    def sections(self) -> list[str]:
        return [name for _, name in self.open if name]

    @property
    def text(self) -> str:
        return self.texts[""]


@cache
def page(study: str) -> Page:
    return Page(findings.page(*tables(study)))


def verdict(row) -> str:
    """By definition; below 1e-9, a limit is zero and what is left is rounding."""
    if np.isnan(row.low):
        return "no interval"
    return "below zero" if row.high < -1e-9 else "above zero" if row.low > 1e-9 else "includes zero"


def numbers(text: str) -> list[float]:
    return [float(number.replace("−", "-")) for number in re.findall(r"−?\d+\.\d+", text)]


def section_of(row) -> str:
    target = [] if row.split_kind == "random" else [row.target]
    return "-".join([row.split_kind, *target, str(row.target_size)])
