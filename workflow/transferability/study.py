"""From a study to its networks: their names, their bases and their recipes.

Pure and standard library only, since the workflow imports it each time it builds its graph. This is
the one place that knows which network needs which base.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HALVES = ("A", "B")
ALL_IMAGES = "all"

NAME = re.compile(
    r"base(?P<long>2?)(?P<half>[AB])(@(?P<base_size>[1-9]\d*))?"
    r"|(?P<source>[ABR])(?P<n>\d+)(?P<target>[AB])(?P<plus>\+?)(@(?P<size>[1-9]\d*))?"
)


class StudyError(ValueError):
    """A study that cannot be run as it is written; the message says what to change."""


@dataclass(frozen=True)
class Network:
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


def parse_name(name: str) -> Network:
    """What a network's name says of it.

    Raises StudyError for anything that is not a name in the paper's notation.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise StudyError(
            f"network {name!r}: not a network's name; expected one such as "
            "baseA, base2B, B0B, A3B, B3B+, R5A or A3B+@100"
        )
    if match["half"]:
        return Network(
            name=name,
            kind="long_base" if match["long"] else "base",
            source="",
            target=match["half"],
            n=0,
            fine_tuned=False,
            target_size=match["base_size"] or ALL_IMAGES,
        )
    source, target, n = match["source"], match["target"], int(match["n"])
    if n == 0 and (source != target or match["plus"]):
        raise StudyError(
            f"network {name!r}: with n = 0 nothing is copied, so {target}0{target} is the only one"
        )
    if source == "R" and match["plus"]:
        raise StudyError(
            f"network {name!r}: random layers that learn are those of {target}0{target}"
        )
    kind = "random" if source == "R" else "selffer" if source == target else "transfer"
    return Network(
        name=name,
        kind=kind,
        source="random" if source == "R" else source,
        target=target,
        n=n,
        fine_tuned=bool(match["plus"]),
        target_size=match["size"] or ALL_IMAGES,
    )


def other_half(half: str) -> str:
    return "B" if half == "A" else "A"


def split_names(splits: dict) -> list[str]:
    """The splits of a study: random0, random1, … and dissimilar."""
    names = [f"random{k}" for k in range(splits["random"])]
    return names + ["dissimilar"] * (splits["dissimilar"] is not None)


def layers(study: dict, layer_count: int) -> list[int]:
    """The n of a study: those named, or every one that the architecture has."""
    return list(range(layer_count)) if study["layers"] == "all" else list(study["layers"])


def network_names(study: dict, layer_count: int) -> list[str]:
    """The networks that are trained for each (split, seed), in a stable order, bases first."""
    sizes = [str(size) for size in study["target_sizes"]]
    ns = layers(study, layer_count)
    treatments = []
    for target in study["targets"]:
        for size in sizes:
            treatments += _treatments(study["treatments"], ns, target, size)
    bases = [base_name(target, size) for target in study["targets"] for size in sizes]
    bases += [base for name in treatments if (base := parse_name(name).base)]
    bases = sorted(dict.fromkeys(bases))
    if study["long_base"]:
        bases += [
            base_name(target, size, long=True) for target in study["targets"] for size in sizes
        ]
    return bases + treatments


def _treatments(
    treatments: Sequence[str], ns: Sequence[int], target: str, size: str
) -> Iterator[str]:
    sources = {"selffer": target, "transfer": other_half(target), "random": "R"}
    for n in ns:
        if n == 0:
            yield treatment_name(target, 0, target, target_size=size)
            continue
        for treatment in treatments:
            source = sources[treatment.removesuffix("+")]
            yield treatment_name(source, n, target, treatment.endswith("+"), size)


def recipe(study: dict, split: str, seed: int, name: str) -> dict:
    """The recipe by which one network is trained: the study's, its overrides, and twice the epochs
    for a long base.

    Overrides apply in the order in which they stand; a later one wins.
    """
    network = parse_name(name)
    facts = {
        "network": network.name,
        "kind": network.kind,
        "source": network.source,
        "target": network.target,
        "n": network.n,
        "fine_tuned": network.fine_tuned,
        "target_size": network.target_size,
        "split": split,
        "seed": seed,
    }
    chosen = dict(study["recipe"])
    for override in study["overrides"]:
        if all(facts[key] in _wanted(key, value) for key, value in override["where"].items()):
            chosen.update(override["recipe"])
    if network.kind == "long_base":
        chosen["epochs"] *= 2
    return chosen


def _wanted(key: str, value: object) -> list:
    values = value if isinstance(value, list) else [value]
    return [str(v) for v in values] if key == "target_size" else values


def evaluations(recipe: dict) -> int:
    """How many times a network is evaluated: each so many epochs, and after the last."""
    return -(-recipe["epochs"] // recipe["evaluate_every"])


def check(
    study: dict,
    layer_names: Sequence[str],
    smallest_image: int,
    classes: int,
    groups: Sequence[str],
    images_per_class: int,
) -> None:
    """Refuse what the schema cannot see: what architecture and dataset make impossible.

    `layer_names` and `smallest_image` (pixels) describe the architecture; `classes`, `groups` and
    `images_per_class` the dataset. Raises StudyError, which names the key and what it allows.
    """
    _check_layers(study, layer_names)
    _check_splits(study["splits"], classes, groups)
    if study["dataset"]["image_size"] < smallest_image:
        raise StudyError(
            f"dataset.image_size: {study['dataset']['image_size']} pixels are too few for "
            f"architecture {study['architecture']['name']}, which needs at least {smallest_image}"
        )
    for size in study["target_sizes"]:
        if size != ALL_IMAGES and size > images_per_class:
            raise StudyError(
                f"target_sizes: {size} images a class are more than the dataset's smallest class "
                f"has ({images_per_class}); choose at most {images_per_class}, or 'all'"
            )
    if study["score"] == "mean_of_10_best" and evaluations(study["recipe"]) < 10:
        raise StudyError(
            f"score: mean_of_10_best needs at least 10 evaluations, and this recipe makes "
            f"{evaluations(study['recipe'])}; raise recipe.epochs, lower recipe.evaluate_every, "
            "or choose 'final'"
        )


def _check_layers(study: dict, layer_names: Sequence[str]) -> None:
    last = len(layer_names) - 1
    named = [("layers", n) for n in layers(study, len(layer_names))]
    for i, override in enumerate(study["overrides"]):
        named += [
            (f"overrides[{i}].where.n", n) for n in _wanted("n", override["where"].get("n", []))
        ]
    for key, n in named:
        if n > last:
            raise StudyError(
                f"{key}: n = {n} is not possible; architecture {study['architecture']['name']} has "
                f"{len(layer_names)} layers ({', '.join(layer_names)}) and the last one is always "
                f"new, so n is one of 0…{last}, or layers: all"
            )


def _check_splits(splits: dict, classes: int, groups: Sequence[str]) -> None:
    if not split_names(splits):
        raise StudyError(
            "splits: there is none; set splits.random to 1 or more, or name two groups in "
            "splits.dissimilar"
        )
    if splits["random"] and classes < 4:
        raise StudyError(
            f"splits.random: the dataset has {classes} classes, and each half needs at least 2; "
            "raise dataset.classes to 4 or more, or set splits.random to 0"
        )
    if splits["dissimilar"] is None:
        return
    taken: dict[str, str] = {}
    for half in HALVES:
        for group in as_groups(splits["dissimilar"][half]):
            if group not in groups:
                raise StudyError(
                    f"splits.dissimilar.{half}: the dataset has no group {group!r}; "
                    f"its groups are {', '.join(groups)}"
                )
            if group in taken:
                raise StudyError(
                    f"splits.dissimilar: group {group!r} stands in {taken[group]} and in {half}; "
                    "the two halves must not overlap, so name it in one of them"
                )
            taken[group] = half


def as_groups(groups: str | Sequence[str]) -> list[str]:
    """The groups of one half of a dissimilar split, which the study gives as one name or a list."""
    return [groups] if isinstance(groups, str) else list(groups)
