"""The layers of an architecture as a table to read."""

from collections import Counter
from collections.abc import Collection

from torch import nn

from transferability.models import measures

WIDTH = 100
HEADINGS = ("n", "", "layer", "parameters", "output", "operations", "made of")
NUMBERS = ("n", "parameters", "operations")


def table(layers: list[tuple[str, nn.Module]], image_size: int, marked: Collection[int]) -> str:
    """A line for each layer: how many there are from the input down to it, * where this number is
    among `marked`, its name, parameters, output (channels × height × width, or whatever the layer
    makes of one image), share of the multiplications, and the modules in it.

    Raises ValueError if the layers do not fit one another.
    """
    of_layers = measures.measured(layers, image_size)
    all_operations = max(1, sum(one.operations for one in of_layers))
    cells = [
        (
            *(str(n), "*" if n in marked else "", one.name, f"{one.parameters:,}"),
            *(measures.shown(one.output), f"{one.operations / all_operations:.1%}"),
            _made_of(layer),
        )
        for n, (one, (_, layer)) in enumerate(zip(of_layers, layers, strict=True), start=1)
    ]
    all_parameters = sum(one.parameters for one in of_layers)
    return "\n".join([*_aligned([HEADINGS, *cells]), f"{all_parameters:,} parameters in all"])


def _made_of(layer: nn.Module) -> str:
    """The classes of a layer's parts: of a block, its own class."""
    parts = list(layer.children()) if type(layer).forward is nn.Sequential.forward else [layer]
    counts = Counter(type(part).__name__ for part in parts)
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in counts.items())


def _aligned(cells: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEADINGS))]
    lines = []
    for row in cells:
        aligned = [
            cell.rjust(width) if heading in NUMBERS else cell.ljust(width)
            for heading, cell, width in zip(HEADINGS, row, widths, strict=True)
        ]
        line = "  ".join(aligned).rstrip()
        lines.append(line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…")
    return lines
