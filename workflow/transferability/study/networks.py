"""Networks by name: reads a name (kind, layers, copied base), and describes a training by
everything that decides its numbers, except images, code and machine.

Pure functions; only the standard library.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Self

HALVES = ("A", "B")
ALL_IMAGES = "all"
SEARCHED = ("learning_rate", "copied_learning_rate")
"""Keys of the recipe that a study's search can choose."""

NAME = re.compile(
    # Excludes names with two treatments, and treatments of random layers.
    r"(?!s.0|sR|s[^_]*[f~]|R[^_]*[f+~]|[^_]*f[^_]*[+~])"
    r"(?:base(?P<long>2(?=[AB]))?(?P<half>[A-QT-Z])"
    # With n = 0 nothing is copied, so B0B is the only such name.
    r"|(?P<shuffled>s?)(?P<source>[A-RT-Z])(?P<copied>0(?=(?P=source)(?![+~]))|[1-9][0-9]*)"
    r"(?:f(?P<frozen>0|[1-9][0-9]*))?(?P<target>[AB])(?P<suffix>[+~]?))"
    r"(?:@(?P<size>[1-9][0-9]*))?"
    r"(?:_lr(?P<learning_rate>[0-9.]+(?:e[+-]?[0-9]+)?))?"
    r"(?:_copied(?P<copied_learning_rate>[0-9.]+(?:e[+-]?[0-9]+)?))?"
)


@dataclass(frozen=True)
class NetworkSpec:
    """One network of a study, as described by its name.

    `kind` is base, long_base, selffer, transfer, random, shuffled (the values inside each copied
    tensor are permuted), reestimated (the batch-norm statistics of frozen layers are estimated on
    the target), partial or selffer_partial (all layers except the last are copied, and the first n
    frozen). `source` is the letter of the half or source whose base is copied, `random`, or empty
    for a base. `copied` is the number of copied (or random) layers. `target_size` is `all` or the
    number of training images per class. A candidate of the study's search has the learning rates
    that differ from the recipe; they are None otherwise.
    """

    name: str
    kind: str
    source: str
    target: str
    n: int
    copied: int
    fine_tuned: bool
    target_size: str
    learning_rate: float | None = None
    copied_learning_rate: float | None = None

    @property
    def plain_name(self) -> str:
        """The name without a candidate's learning rates."""
        return self.name.partition("_")[0]

    @property
    def copies_learn(self) -> bool:
        """Whether the network has copied layers that are trained."""
        return self.base is not None and self.frozen_layers < self.copied

    @property
    def is_base(self) -> bool:
        return self.kind in ("base", "long_base")

    @property
    def treatment(self) -> str:
        """The kind, followed by + if the copied layers are trained: selffer, transfer+."""
        return f"{self.kind}{'+' if self.fine_tuned else ''}"

    @property
    def frozen_layers(self) -> int:
        """The number of frozen layers, counted from the input."""
        return 0 if self.fine_tuned else self.n

    @property
    def stream(self) -> str:
        """The stream of random numbers that initialises the network and orders its images.

        Bases have a separate stream. With a shared one, the upper layers of a selffer would start
        from the same values as those of the base with which its copied layers were trained.
        """
        return "base" if self.is_base else "treatment"

    @property
    def base(self) -> str | None:
        """The name of the base whose layers are copied, or None.

        A selffer copies a base trained on the same number of images; others copy a base trained on
        all images of the other half or of the source.
        """
        if self.copied == 0 or self.source in ("", "random"):
            return None
        size = self.target_size if self.source == self.target else ALL_IMAGES
        return base_name(self.source, size)


def base_name(half: str, target_size: str = ALL_IMAGES, long: bool = False) -> str:
    """The name of the base of a half or source, such as `baseA`, `base2B`, `baseP`, `baseB@100`."""
    return f"base{'2' if long else ''}{half}{_suffix(target_size)}"


def treatment_name(
    treatment: str, source: str, n: int, target: str, last: int, target_size: str = ALL_IMAGES
) -> str:
    """The name of a treatment's network, such as `A3B`, `B3B+`, `sA3B`, `P3B~`, `P7f3B`, `R5A` or
    `A3B+@100`; `last` is the number of layers minus one, which `partial` copies."""
    kind = treatment.removesuffix("+")
    before = {"shuffled": "s"}.get(kind, "")
    copied = f"{last}f{n}" if kind.endswith("partial") else str(n)
    after = "~" if kind == "reestimated" else treatment[len(kind) :]
    return f"{before}{source}{copied}{target}{after}{_suffix(target_size)}"


def candidate_name(name: str, key: str, rate: float) -> str:
    """The name of a network whose learning rate differs from the recipe's, such as
    `P7f3B@25_lr0.01`, or `P7f3B@25_lr0.01_copied0.1` if `name` already contains a learning rate."""
    return f"{name}_{'lr' if key == 'learning_rate' else 'copied'}{rate}"


@cache
def trained_name(name: str) -> str:
    """The name under which a network is trained: P7B+ for P7f0B and P7B for P7f7B, which are the
    same networks; otherwise the name itself."""
    network = parse_name(name)
    if not network.kind.endswith("partial") or 0 < network.n < network.copied:
        return name
    suffix = f"{'+' if network.n == 0 else ''}{_suffix(network.target_size)}"
    return f"{network.source}{network.copied}{network.target}{suffix}"


def _suffix(target_size: str) -> str:
    return "" if target_size == ALL_IMAGES else f"@{target_size}"


@cache
def parse_name(name: str) -> NetworkSpec:
    """The network that a name describes. Raises ValueError for a name that is not in the paper's
    notation. Cached, because the same few names occur for many networks."""
    match = NAME.fullmatch(name)
    parts = match.groupdict(default="") if match else {}
    copied, frozen = int(parts.get("copied") or 0), parts.get("frozen")
    if not match or int(frozen or 0) > copied:
        raise ValueError(
            f"network {name!r}: not the name of a network; expected e.g. baseA, base2B, B0B, "
            "A3B, B3B+, R5A, sP3B, P3B~, P7f3B or A3B+@100"
        )
    size = parts["size"] or ALL_IMAGES
    rates = {key: float(parts[key]) for key in SEARCHED if parts[key]}
    if half := parts["half"]:
        kind = "long_base" if parts["long"] else "base"
        return NetworkSpec(name, kind, "", half, 0, 0, False, size, **rates)
    source, target, suffix = parts["source"], parts["target"], parts["suffix"]
    if source == "R":
        kind, source = "random", "random"
    elif frozen:
        kind = "selffer_partial" if source == target else "partial"
    elif parts["shuffled"]:
        kind = "shuffled"
    elif suffix == "~":
        kind = "reestimated"
    else:
        kind = "selffer" if source == target else "transfer"
    n = int(frozen) if frozen else copied
    return NetworkSpec(name, kind, source, target, n, copied, suffix == "+", size, **rates)


def other_half(half: str) -> str:
    return "B" if half == "A" else "A"


def steps_per_epoch(images: int, batch_size: int) -> int:
    """The number of steps in an epoch: only full batches, but at least one."""
    return max(1, images // batch_size)


@dataclass(frozen=True)
class TrainingSpec:
    """The training of one network: copied and trained layers, random numbers, recipe.

    The first `copied` layers come from `base` (for random features, from the initialisation),
    permuted if `shuffled`; the first `frozen_layers` are not trained. With `reestimated`, their
    batch-norm statistics come from the target's images. `normalised_by` is the `mean` and `std` of
    each channel, from 0 to 1, that an imported source declares, otherwise None. `images_per_class`
    None means all.
    """

    network: str
    split: str
    seed: int
    target: str
    stream: str
    copied: int
    base: str | None
    shuffled: bool
    reestimated: bool
    frozen_layers: int
    images_per_class: int | None
    normalised_by: dict | None
    architecture: dict
    recipe: dict

    @classmethod
    def of(
        cls,
        name: str,
        split: str,
        seed: int,
        architecture: dict,
        recipe: dict,
        normalised_by: dict | None = None,
    ) -> Self:
        """The training for a network's name. Raises ValueError if `name` is not the name of a
        network, or if the network is trained under another name."""
        network = parse_name(name)
        if trained_name(name) != name:
            raise ValueError(f"network {name}: it is trained as {trained_name(name)}")
        size = network.target_size
        return cls(
            network=name,
            split=split,
            seed=seed,
            target=network.target,
            stream=network.stream,
            copied=network.copied,
            base=network.base,
            shuffled=network.kind == "shuffled",
            reestimated=network.kind == "reestimated",
            frozen_layers=network.frozen_layers,
            images_per_class=None if size == ALL_IMAGES else int(size),
            normalised_by=normalised_by,
            architecture=architecture,
            recipe=recipe,
        )
