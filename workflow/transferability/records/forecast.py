"""What a study will take, before it runs: networks, images, bytes, operations, hours.

Halves are taken to be equal, each with half of the classes and of the images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transferability.images import Size
from transferability.models.measures import Measures
from transferability.study import design
from transferability.study.networks import ALL_IMAGES, NetworkSpec, parse_name
from transferability.training import data

BYTES_PER_PARAMETER = 4
BACKWARD = 2
"""Operations of a learned layer's way back, in multiples of its way forward: one for the gradient
of its parameters, one for that of its input."""


@dataclass(frozen=True)
class Speed:
    """How fast a network with so many frozen layers is: images a second that it learns from and
    that it classifies, and, where the frozen layers' features are computed once, of which these
    are made."""

    learned: float
    evaluated: float
    features: float | None = None


@dataclass(frozen=True)
class Forecast:
    """Of some networks: how many, images to learn from and to classify, operations, seconds on one
    device (None where no speed is known)."""

    networks: int = 0
    learned: int = 0
    evaluated: int = 0
    operations: float = 0.0
    seconds: float | None = 0.0

    def __add__(self, other: "Forecast") -> "Forecast":
        unknown = self.seconds is None or other.seconds is None
        return Forecast(
            self.networks + other.networks,
            self.learned + other.learned,
            self.evaluated + other.evaluated,
            self.operations + other.operations,
            None if unknown else self.seconds + other.seconds,
        )


def of_kinds(
    checked: dict, size: Size, layers: Sequence[Measures], speeds: Mapping[int, Speed]
) -> dict[str, Forecast]:
    """The forecast of each kind of network of a study: base, long_base, selffer, …; a network that
    learns with all layers is selffer+ or transfer+.

    `speeds` is by the number of frozen layers.
    """
    kinds: dict[str, Forecast] = {}
    for split, seed, name in design.trained(checked, len(layers)):
        network = parse_name(name)
        recipe = design.recipe(checked, split, seed, name)
        kind = network.kind + "+" * network.fine_tuned
        one = _of_network(network, recipe, size, layers, speeds.get(network.frozen_layers))
        kinds[kind] = kinds.get(kind, Forecast()) + one
    return kinds


def _of_network(
    network: NetworkSpec,
    recipe: Mapping,
    size: Size,
    layers: Sequence[Measures],
    speed: Speed | None,
) -> Forecast:
    images, validation = size.train // 2, size.validation // 2
    if network.target_size != ALL_IMAGES:
        images = int(network.target_size) * (size.classes // 2)
    per_epoch = data.steps_per_epoch(images, recipe["batch_size"])
    steps = recipe["iterations"] or recipe["epochs"] * per_epoch
    learned = steps * min(recipe["batch_size"], images)
    evaluated = design.evaluations(recipe) * validation
    frozen = network.frozen_layers
    once = bool(frozen) and not recipe["augment"]
    operations = (
        learned * to_learn(layers, frozen, once)
        + evaluated * forward(layers[frozen if once else 0 :])
        + once * (images + validation) * forward(layers[:frozen])
    )
    seconds = None
    if speed is not None:
        seconds = learned / speed.learned + evaluated / speed.evaluated
        if speed.features is not None:
            seconds += (images + validation) / speed.features
    return Forecast(1, learned, evaluated, operations, seconds)


def forward(layers: Sequence[Measures]) -> int:
    """Operations of the way of one image through these layers."""
    return sum(layer.operations for layer in layers)


def to_learn(layers: Sequence[Measures], frozen: int, from_features: bool = False) -> int:
    """Operations to learn from one image: forwards through all layers, or, from features, through
    those that learn, and back through these. The gradient of the first one's input is not needed.
    """
    learning = layers[frozen:]
    through = learning if from_features else layers
    return forward(through) + BACKWARD * forward(learning) - learning[0].operations


def scaled(layers: Sequence[Measures], frozen: Sequence[int], images_per_second: float) -> dict:
    """The speeds by the number of frozen layers, where a network that learns with all layers takes
    `images_per_second` and any other as much longer as it has more operations."""
    operations_per_second = images_per_second * to_learn(layers, 0)
    return {
        k: Speed(
            learned=operations_per_second / to_learn(layers, k),
            evaluated=operations_per_second / forward(layers),
        )
        for k in frozen
    }


def store_bytes(checked: dict, size: Size) -> int:
    """What the image store takes on the disk."""
    return 3 * checked["dataset"]["image_size"] ** 2 * (size.train + size.validation)


def kept_bytes(checked: dict, layers: Sequence[Measures]) -> int:
    """What the weights take that are kept: those of bases, or of all networks."""
    networks = [parse_name(name) for *_, name in design.trained(checked, len(layers))]
    kept = sum(network.is_base or checked["keep_weights"] == "all" for network in networks)
    return kept * BYTES_PER_PARAMETER * sum(layer.parameters for layer in layers)
