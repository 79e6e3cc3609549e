"""The size of each layer of a network: parameters, shape of the output, operations."""

import io
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from transferability.models import trial

WIDTH = 100


class LayerSummary(NamedTuple):
    """`output` is the layer's output shape for one image, e.g. channels × height × width.
    `operations` is the cost of one image, with two for a multiplication and an addition."""

    name: str
    parameters: int
    output: torch.Size
    operations: int


def summarise(layers: Sequence[tuple[str, nn.Module]], image_size: int) -> list[LayerSummary]:
    """The summary of each layer, from input to output. Layers are in eval mode afterwards.

    Raises ValueError if a layer does not accept the output of the previous one.
    """
    summaries = []
    features = torch.zeros(1, 3, image_size, image_size)
    for name, layer in layers:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            features = trial.outputs(name, layer.eval(), features)
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        operations = counter.get_total_flops()
        summaries.append(LayerSummary(name, parameters, features.shape[1:], operations))
    return summaries


def table(layers: Sequence[tuple[str, nn.Module]], image_size: int, marked: Collection[int]) -> str:
    """A text table of the layers, numbered from the input, with * next to the numbers in `marked`.

    Operations are shares of the network's total. Raises ValueError as `summarise` does.
    """
    summaries = summarise(layers, image_size)
    operations = max(1, sum(summary.operations for summary in summaries))
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("n", "", "layer", "parameters", "output", "operations", "made of"):
        is_number = heading in ("n", "parameters", "operations")
        grid.add_column(
            heading, justify="right" if is_number else "left", no_wrap=is_number, overflow="fold"
        )
    for n, (summary, (_, layer)) in enumerate(zip(summaries, layers, strict=True), start=1):
        is_sequence = type(layer).forward is nn.Sequential.forward
        parts = Counter(type(part).__name__ for part in (layer if is_sequence else [layer]))
        grid.add_row(
            str(n),
            "*" if n in marked else "",
            summary.name,
            f"{summary.parameters:,}",
            trial.shape_text(summary.output),
            f"{summary.operations / operations:.1%}",
            ", ".join(part if count == 1 else f"{count} {part}" for part, count in parts.items()),
        )
    console = Console(file=io.StringIO(), width=WIDTH, highlight=False, markup=False)
    console.print(grid)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    parameters = sum(summary.parameters for summary in summaries)
    return "\n".join([*lines, f"{parameters:,} parameters in all"])
