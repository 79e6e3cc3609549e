"""The main figures as pages to explore: a pointer names a network or an effect, a click in the
legend brings out a treatment. A page is the printed figure with a script, and asks no other address
for anything."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from string import Template

import matplotlib as mpl
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from transferability.figures import style

# Of letters: a screen is read from further away.
PIXELS_PER_POINT = 2
# The figure on a desk, and on a phone, whose window is narrower than so many pixels.
WIDTHS, PHONE = ("page", "column"), 600
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
PAGE = Template(
    """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
body { background: $paper; color: $ink; font: ${size}px sans-serif; margin: 8px }
p, #words { font-size: 0.8em }
p { color: $grey; margin: 0 0 8px }
svg { display: block; width: 100%; height: auto }
text { white-space: pre }
.column { display: none }
@media (max-width: ${phone}px) { .page { display: none } .column { display: block } }
.legend [data-of] { cursor: pointer }
.faint { opacity: 0.15 }
.legend .faint { opacity: 0.4 }
.near { outline: 1px solid $grey }
#words { position: fixed; padding: 4px 8px; white-space: pre-line; pointer-events: none;
  background: $paper; border: 1px solid $grey; border-radius: 4px }
</style>
<p>$hint</p>
$figures
<div id="words" hidden></div>
<script>
const words = document.querySelector("#words"), chosen = new Set();
const parts = document.querySelectorAll("[data-of]");
const marks = document.querySelectorAll("[aria-label]");
const entries = document.querySelectorAll(".legend [data-of]");
const treatments = new Set([...entries].map(entry => entry.dataset.of));

function choose(treatment) {
  if (!chosen.delete(treatment)) chosen.add(treatment);
  for (const { classList, dataset } of parts)
    classList.toggle("faint", chosen.size && treatments.has(dataset.of) && !chosen.has(dataset.of));
  for (const entry of entries) entry.setAttribute("aria-pressed", chosen.has(entry.dataset.of));
}

for (const entry of entries) {
  entry.addEventListener("click", () => choose(entry.dataset.of));
  if (!entry.querySelector("text")) continue;
  entry.setAttribute("role", "button");
  entry.setAttribute("aria-pressed", false);
  entry.setAttribute("tabindex", 0);
  entry.addEventListener("keydown", event => {
    if (event.key != "Enter" && event.key != " ") return;
    event.preventDefault();
    choose(entry.dataset.of);
  });
}

// Of the mark that is nearest to the pointer, or to a finger.
function show({ clientX, clientY }) {
  let nearest, reach = 24;
  for (const mark of marks) {
    const box = mark.getBoundingClientRect();
    const x = box.x + box.width / 2 - clientX, y = box.y + box.height / 2 - clientY;
    if (box.width && Math.hypot(x, y) < reach && !mark.matches(".faint"))
      [nearest, reach] = [mark, Math.hypot(x, y)];
  }
  for (const mark of marks) mark.classList.toggle("near", mark == nearest);
  words.hidden = !nearest;
  if (!nearest) return;
  words.textContent = nearest.getAttribute("aria-label");
  const { width, height } = words.getBoundingClientRect();
  words.style.left = Math.max(0, Math.min(clientX + 12, innerWidth - width - 4)) + "px";
  words.style.top = (clientY > height + 20 ? clientY - height - 20 : clientY + 20) + "px";
}

const hide = () => show({ clientX: -100, clientY: -100 });

addEventListener("pointermove", show);
addEventListener("pointerdown", show);
// A finger leaves after each touch.
document.addEventListener("pointerleave", event => event.pointerType == "mouse" && hide());
addEventListener("scroll", hide);
</script>
"""
)
HINT = (
    "A mark under the pointer or finger shows its numbers; a click in the legend brings out a "
    "treatment."
)


@style.styled()
def page(draw: Callable[..., Figure], *tables: pd.DataFrame) -> str:
    """The page of a figure that `draw` makes of tables, at two widths, in the options in use.
    Errors as there."""
    drawn = []
    for width in WIDTHS:
        with style.used(replace(style.in_use(), width=width, explored=True)):
            drawn.append(_svg(draw(*tables), width))
            size = round(PIXELS_PER_POINT * style.in_use().points)
    colours = zip(("ink", "paper", "grey"), (style.INK, style.PAPER, style.GREY), strict=True)
    return PAGE.substitute(
        {name: to_hex(colour) for name, colour in colours},
        title=f"{draw.__name__}",
        hint=HINT,
        figures="\n".join(drawn),
        size=size,
        phone=PHONE,
    )


def _svg(figure: Figure, width: str) -> str:
    """The figure as an element of a page. Its groups have classes in place of ids, which the other
    figure has too; treatments and words are attributes."""
    style.set_words(figure)
    # Letters are letters there: to be searched, read aloud, and clicked on.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": width}), io.StringIO() as file:
        figure.savefig(file, format="svg", metadata=NO_METADATA)
        svg = file.getvalue()
    svg = re.sub(r'<g id="([a-z0-9.]+)_\d+"', r'<g class="\1"', svg[svg.index("<svg") :])
    svg = re.sub(r"""<g id=(["'])of:([^|]*)\|\1""", r"<g data-of=\1\2\1", svg)
    words = r"""<g id=(["'])of:([^|]*)\|(.*?)\1"""
    svg = re.sub(words, r"<g data-of=\1\2\1 role='img' aria-label=\1\3\1", svg, flags=re.DOTALL)
    pixels = round(PIXELS_PER_POINT * 72 * figure.get_figwidth())
    return svg.replace("<svg ", f'<svg class="{width}" style="max-width: {pixels}px" ', 1)
