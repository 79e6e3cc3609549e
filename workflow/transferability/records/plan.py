"""What a study will take, as a text to read before it runs."""

import os
from collections.abc import Sequence

import torch

from transferability import images, models
from transferability.models import measures
from transferability.records import forecast, trial
from transferability.study import design
from transferability.study.networks import parse_name
from transferability.training import device as devices

HEADINGS = ("", "networks", "images to learn from", "to classify", "operations", "time")
UNITS = ("bytes", "kB", "MB", "GB", "TB")


def text(checked: dict, images_per_second: float | None, seconds: float) -> str:
    """The plan of a study, with times at so many images a second of a network that learns with all
    layers, or, for None, as this machine is found to be when tried for `seconds` with each number
    of frozen layers.

    Raises ValueError where it is not known how many images there are.
    """
    size = images.size(checked["dataset"])
    pixels, half = design.input_size(checked), size.classes // 2
    built = models.module(checked["architecture"]["name"]).build(
        checked["architecture"], pixels, half
    )
    layers = measures.measured(built, pixels)
    names = {name for *_, name in design.trained(checked, len(layers))}
    frozen = sorted({parse_name(name).frozen_layers for name in names})
    if images_per_second is None:
        speeds = trial.speeds(checked, half, frozen, seconds)
    else:
        speeds = forecast.scaled(layers, frozen, images_per_second)
    kinds = forecast.of_kinds(checked, size, layers, speeds)
    total = sum(kinds.values(), forecast.Forecast())
    weights = forecast.kept_bytes(checked, layers)
    lines = [
        f"study {checked['study']}: {total.networks:,} networks of "
        f"{sum(layer.parameters for layer in layers):,} parameters",
        "",
        *_aligned([HEADINGS, *(_row(*kind) for kind in kinds.items()), _row("all", total)]),
        "",
        f"disk: {_bytes(forecast.store_bytes(checked, size))} for the store of "
        f"{size.train + size.validation:,} images, {_bytes(weights)} for the weights that are kept",
        "speed, in images a second by the number of frozen layers:",
        "  " + ", ".join(f"{k}: {speed.learned:,.0f}" for k, speed in speeds.items()),
        *_assumptions(checked, images_per_second, seconds, total.seconds),
    ]
    return "\n".join(lines)


def _assumptions(
    checked: dict, images_per_second: float | None, seconds: float, total: float
) -> list[str]:
    """What the time is measured by."""
    if images_per_second is not None:
        return [
            f"time of one device that learns from {images_per_second:,.0f} images a second "
            "with all layers,",
            "and from more in the measure in which frozen layers leave less to do",
        ]
    device = devices.choose_device(checked["recipe"]["device"])
    if device.type == "cpu":
        at_once, each = len(os.sched_getaffinity(0)), "core"
    else:
        at_once, each = max(1, torch.cuda.device_count()), "device"
    precision = devices.choose_precision(checked["recipe"]["precision"], device)
    return [
        f"time of one {each} here ({devices.describe(device)}, {precision}), tried for "
        f"{seconds:g} s each; with {at_once} at once {_time(total / at_once)}"
    ]


def _row(kind: str, some: forecast.Forecast) -> tuple[str, ...]:
    return (
        *(kind, f"{some.networks:,}", f"{some.learned:,}", f"{some.evaluated:,}"),
        *(f"{some.operations:.2e}", _time(some.seconds)),
    )


def _time(seconds: float) -> str:
    """Hours to read; where they are few, minutes."""
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def _bytes(count: int) -> str:
    power = min(len(UNITS) - 1, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:.3g} {UNITS[power]}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
