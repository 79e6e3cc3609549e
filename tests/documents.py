"""The pages that users read, README.md and docs/: their commands, settings and links."""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from project import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Inline code is a command if it starts with one of these. Code with a <placeholder> is not one.
COMMAND = re.compile(
    r"(?:(?:PLAIN=1 )?uv run|pip install|snakemake|python -m|squeue|scontrol|sinfo) [^<>]+",
    re.DOTALL,
)
# Inline code that is a setting.
SETTING = re.compile(r"[a-z_]+: [^<>]+")


@dataclass(frozen=True)
class Piece:
    """Code in a page, at a line: a fenced block, a command of one, or inline code.

    `file` is the name under which the reader saves a block; it follows the block's language.
    """

    page: str
    line: int
    language: str
    text: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Piece]:
    """The fenced and indented blocks of a page."""
    found = []
    for token in _tokens(page):
        if token.type in ("fence", "code_block"):
            language, _, file = token.info.strip().partition(" ")
            found.append(Piece(page.name, token.map[0] + 1, language, token.content, file))
    return found


def inline(page: Path) -> list[Piece]:
    """The inline code of a page."""
    return [
        Piece(page.name, line, "inline", child.content)
        for line, child in _children(page)
        if child.type == "code_inline"
    ]


def commands(pages: Iterable[Path]) -> list[Piece]:
    """The commands of the pages in their order, each at its first place."""
    first: dict[str, Piece] = {}
    for page in pages:
        found = [
            Piece(block.page, block.line, "sh", " ".join(line.split()))
            for block in blocks(page)
            if block.language == "sh"
            for line in block.text.replace("\\\n", " ").splitlines()
        ]
        found += [piece for piece in inline(page) if COMMAND.fullmatch(piece.text)]
        for piece in found:
            first.setdefault(piece.text, piece)
    return list(first.values())


def pointers(page: Path) -> list[tuple[int, str]]:
    """The links and the pictures of a page, each with its line."""
    attribute = {"link_open": "href", "image": "src"}
    return [
        (line, child.attrs[attribute[child.type]])
        for line, child in _children(page)
        if child.type in attribute
    ]


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    tokens = _tokens(page)
    headings = [
        after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def paths(tree: str) -> list[str]:
    """The paths that a tree of folders names, as patterns: a placeholder becomes a star.

    A line ends with # and its description; indented lines are in the folder of the last line that
    is indented less.
    """
    found, folder = [], ""
    for line in tree.splitlines():
        names = re.sub(r"<\w+>", "*", line.partition("#")[0]).split()
        if names and not line.startswith(" "):
            folder = names[0]
            found += names
        else:
            found += [folder + name for name in names]
    return found


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def _children(page: Path) -> Iterator[tuple[int, Token]]:
    """The inline tokens of a page, each with the line in which its paragraph begins."""
    for token in _tokens(page):
        for child in token.children or []:
            yield token.map[0] + 1, child
