"""How long a training may take, for a cluster that wants to be told.

Pure and standard library only, since the workflow imports it each time it builds its graph.
"""

import math
from collections.abc import Mapping

from transferability.study.networks import ALL_IMAGES, base_name, parse_name

START = 10
"""Minutes that are asked for beside the training's own: the start, reading, a slow file system."""

MARGIN = 1.5
"""How much longer than at the base's speed: other GPUs, neighbours on the node, evaluations."""


def measured_by(name: str) -> str:
    """The base whose speed says how long a network will take: the one whose layers it copies, else
    that of its target half."""
    network = parse_name(name)
    return network.base or base_name(network.target)


def minutes(name: str, recipe: Mapping, hours: float, base: Mapping | None) -> int:
    """Minutes to ask for, so that a training comes to its end in one go.

    `recipe` is the network's own; `hours` what a base is expected to take at most, and `base` the
    metrics of the base that `measured_by` names, or None if it has not been trained.
    """
    network = parse_name(name)
    if base is None:
        return math.ceil(60 * hours * (2 if network.kind == "long_base" else 1))
    images = base["train_images"]
    if network.target_size != ALL_IMAGES:
        images = min(images, int(network.target_size) * base["classes"])
    seen = recipe["epochs"] * images
    if recipe["iterations"]:
        seen = recipe["iterations"] * recipe["batch_size"]
    return math.ceil(START + MARGIN * seen / base["images_per_second"] / 60)
