"""A self-contained HTML page: no script, no request, light or dark as the reader has it."""

import re
from collections.abc import Iterable
from html import escape as escape_markup
from typing import NamedTuple

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #595959; --line: #cfcfcf;
  --paper: #ffffff; --mark: #eef3f8; --link: #0b5394; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --soft: #a8a8a8; --line: #454545; --paper: #161616; --mark: #22303c;
    --link: #8fc1f0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 1rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 2.5rem 0 .5rem; padding-top: 1rem;
  border-top: 2px solid var(--ink); }
h3 { font-size: 1.05rem; line-height: 1.3; margin: 0; }
p, ul { margin: .5rem 0; max-width: 52rem; }
ul { padding-left: 1.2rem; }
li { margin: .25rem 0; }
a { color: var(--link); }
.soft { color: var(--soft); font-size: .9rem; }
.summary { background: var(--mark); padding: .25rem 1.25rem 1rem; border-radius: 6px; }
.summary h2 { border: 0; margin: .5rem 0; padding-top: .5rem; }
.summary h3 { margin-top: 1rem; }
.caveat { border-left: 3px solid var(--soft); padding-left: .75rem; }
.effect { border-top: 1px solid var(--line); padding: 1rem 0; }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; line-height: 1.25; vertical-align: bottom; }
td { white-space: nowrap; }
@media (min-width: 64rem) {
  .effect.beside { display: grid; grid-template-columns: 33rem minmax(0, 1fr);
    column-gap: 2.5rem; align-items: start; } }
@media (max-width: 40rem) { body { font-size: 15px; } main { padding: .5rem .9rem 3rem; }
  .summary { padding: .25rem .9rem .75rem; } th, td { padding-right: .6rem; } }
""".strip()


# Numbers, formulas and `n = 3` stay on one line.
UNBROKEN = re.compile(
    r"\[[−\d., ]+\]|[−\d.]+ points|\bn = \d[\d–]*|\b\w+\+? − \w+\+?|\d+ %|Table 1"
)


def escape(text: str) -> str:
    """The text without markup, its numbers and formulas unbroken."""
    return UNBROKEN.sub(
        lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), escape_markup(text)
    )


def heading(level: int, text: str) -> str:
    """A heading of level 1, 2 or 3."""
    return f"<h{level}>{escape(text)}</h{level}>"


def linked_heading(level: int, text: str, target: str) -> str:
    """A heading that leads to a section of the page."""
    return f'<h{level}><a href="#{escape_markup(target)}">{escape(text)}</a></h{level}>'


def paragraph(text: str, look: str = "") -> str:
    """A paragraph, empty for an empty text; `look` is soft or caveat."""
    look = f' class="{look}"' if look else ""
    return f"<p{look}>{escape(text)}</p>" if text else ""


def bullets(items: Iterable[tuple[str, str]]) -> str:
    """A list of a bold beginning and the rest of a sentence."""
    inner = "".join(f"<li><b>{escape(first)}</b>{escape(rest)}</li>" for first, rest in items)
    return f"<ul>{inner}</ul>" if inner else ""


# A table of more does not fit beside sentences.
MOST_COLUMNS = 5


class Cell(NamedTuple):
    """A cell of a table."""

    text: str
    bold: bool = False


def _table(header: Iterable[str], lines: Iterable[Iterable[Cell]]) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = []
    for line in lines:
        texts = [f"<b>{escape(text)}</b>" if bold else escape(text) for text, bold in line]
        body.append(f"<tr>{''.join(f'<td>{text}</td>' for text in texts)}</tr>\n")
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{''.join(body)}</tbody></table></div>"
    )


def section(look: str, parts: Iterable[str], identity: str = "") -> str:
    """A section of the page, to which links lead by its identity."""
    identity = f' id="{escape_markup(identity)}"' if identity else ""
    inner = "\n".join(filter(None, parts))
    return f'<section class="{look}"{identity}>\n{inner}\n</section>'


def with_table(
    text: Iterable[str], numbers: tuple[list[str], list[list[Cell]]] | None, identity: str
) -> str:
    """A section of sentences, with a table, its header and its lines, beside them; below them where
    it has many columns."""
    inner = "\n".join(filter(None, text))
    if numbers is None:
        return section("effect", [inner], identity)
    header, lines = numbers
    look = "effect beside" if len(header) <= MOST_COLUMNS else "effect"
    return section(look, [f"<div>\n{inner}\n</div>", _table(header, lines)], identity)


def document(title: str, sections: Iterable[str]) -> str:
    """The whole page."""
    inner = "\n".join(sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{STYLE}
</style>
</head>
<body>
<main>
{heading(1, title)}
{inner}
</main>
</body>
</html>
"""
