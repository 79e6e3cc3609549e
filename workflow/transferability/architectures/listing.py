"""The layers of an architecture as a table to read."""

from collections import Counter
from collections.abc import Collection

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

WIDTH = 100
HEADINGS = ("n", "", "layer", "parameters", "output", "operations", "made of")
NUMBERS = ("n", "parameters", "operations")


def table(layers: list[tuple[str, nn.Module]], image_size: int, marked: Collection[int]) -> str:
    """A line for each layer: how many there are from the input down to it, * where this number is
    among `marked`, its name, parameters, output (channels × height × width, or whatever the layer
    makes of one image), share of the multiplications, and the modules in it.

    Raises ValueError if the layers do not fit one another.
    """
    for _, layer in layers:
        layer.eval()
    rows = []
    features = torch.zeros(1, 3, image_size, image_size)
    for n, (name, layer) in enumerate(layers, start=1):
        taken = features.shape[1:]
        try:
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                features = layer(features)
        except Exception as error:
            raise ValueError(
                f"layer {name}: it cannot take {_shape(taken)}, what comes before it "
                f"({type(error).__name__}: {error})"
            ) from error
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        mark = "*" if n in marked else ""
        operations = counter.get_total_flops()
        rows.append((n, mark, name, parameters, features.shape[1:], operations, layer))
    all_parameters, all_operations = (sum(row[i] for row in rows) for i in (3, 5))
    cells = [
        (
            *(str(n), mark, name, f"{parameters:,}", _shape(output)),
            *(f"{operations / max(1, all_operations):.1%}", _made_of(layer)),
        )
        for n, mark, name, parameters, output, operations, layer in rows
    ]
    return "\n".join([*_aligned([HEADINGS, *cells]), f"{all_parameters:,} parameters in all"])


def _shape(shape: torch.Size) -> str:
    return "×".join(map(str, shape))


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
