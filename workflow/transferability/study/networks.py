"""What a network's name says of it (its kind, its layers, the base that it copies), and what is to
be trained: all that decides a network's numbers, but for images, code and machine.

Pure and standard library only.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Self

HALVES = ("A", "B")
ALL_IMAGES = "all"

NAME = re.compile(r"(?:base(2?)([AB])|([ABR])(0|[1-9][0-9]*)([AB])(\+?))(?:@([1-9][0-9]*))?")


@dataclass(frozen=True)
class NetworkSpec:
    """One network of a study, as its name describes it.

    `kind` is base, long_base, selffer, transfer or random; `source` is the half whose base it
    copies (A or B), `random`, or empty for a base; `target_size` is `all` or the number of images
    a class that it is trained on.
    """

    name: str
    kind: str
    source: str
    target: str
    n: int
    fine_tuned: bool
    target_size: str

    @property
    def is_base(self) -> bool:
        return self.kind in ("base", "long_base")

    @property
    def treatment(self) -> str:
        """The kind, with + where the copied layers learn too: selffer, transfer+."""
        return f"{self.kind}{'+' if self.fine_tuned else ''}"

    @property
    def frozen_layers(self) -> int:
        """How many layers, from the input, do not learn."""
        return 0 if self.fine_tuned else self.n

    @property
    def stream(self) -> str:
        """The stream of random numbers that initialises the network and orders its images.

        The bases draw from a stream of their own: if they shared the treatments', the upper layers
        of a selffer would start from the very values with which its copied layers once grew up.
        """
        return "base" if self.is_base else "treatment"

    @property
    def base(self) -> str | None:
        """The name of the base whose first n layers are copied, or None.

        A selffer copies the base that was trained on as many images as itself; a transfer network
        the one that was trained on all of the other half.
        """
        if self.n == 0 or self.source not in HALVES:
            return None
        size = self.target_size if self.source == self.target else ALL_IMAGES
        return base_name(self.source, size)


def base_name(half: str, target_size: str = ALL_IMAGES, long: bool = False) -> str:
    """The name of the base of a half, such as `baseA`, `base2B` or `baseB@100`."""
    return f"base{'2' if long else ''}{half}{_suffix(target_size)}"


def treatment_name(
    source: str, n: int, target: str, fine_tuned: bool = False, target_size: str = ALL_IMAGES
) -> str:
    """The name of a treatment, such as `A3B`, `B3B+`, `R5A` or `A3B+@100`."""
    return f"{source}{n}{target}{'+' if fine_tuned else ''}{_suffix(target_size)}"


def _suffix(target_size: str) -> str:
    return "" if target_size == ALL_IMAGES else f"@{target_size}"


@cache
def parse_name(name: str) -> NetworkSpec:
    """What a network's name says of it. Raises ValueError for a name that is not in the paper's
    notation. Few names stand for many networks, so they are cached."""
    match = NAME.fullmatch(name)
    if match is None:
        raise ValueError(
            f"network {name!r}: not a network's name; expected one such as "
            "baseA, base2B, B0B, A3B, B3B+, R5A or A3B+@100"
        )
    long, half, source, n, target, plus, size = match.groups()
    if half:
        kind, source, target = "long_base" if long else "base", "", half
    elif n == "0" and (source != target or plus):
        raise ValueError(
            f"network {name!r}: with n = 0 nothing is copied, so {target}0{target} is the only one"
        )
    elif source == "R":
        kind, source = "random", "random"
        if plus:
            raise ValueError(
                f"network {name!r}: random layers that learn are those of {target}0{target}"
            )
    else:
        kind = "selffer" if source == target else "transfer"
    return NetworkSpec(name, kind, source, target, int(n or 0), bool(plus), size or ALL_IMAGES)


def other_half(half: str) -> str:
    return "B" if half == "A" else "A"


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Steps in an epoch: full batches only, but at least one."""
    return max(1, images // batch_size)


@dataclass(frozen=True)
class TrainingSpec:
    """One network: what it copies, what learns, from which random numbers, by which recipe.

    `n` layers are copied from `base` (or, for random features, left as they are), and the first
    `frozen_layers` do not learn; `images_per_class` None stands for all.
    """

    network: str
    split: str
    seed: int
    target: str
    stream: str
    n: int
    base: str | None
    frozen_layers: int
    images_per_class: int | None
    architecture: dict
    recipe: dict

    @classmethod
    def of(cls, name: str, split: str, seed: int, architecture: dict, recipe: dict) -> Self:
        """The training that a network's name stands for. Raises ValueError if it is no name."""
        network = parse_name(name)
        size = network.target_size
        return cls(
            network=name,
            split=split,
            seed=seed,
            target=network.target,
            stream=network.stream,
            n=network.n,
            base=network.base,
            frozen_layers=network.frozen_layers,
            images_per_class=None if size == ALL_IMAGES else int(size),
            architecture=architecture,
            recipe=recipe,
        )
