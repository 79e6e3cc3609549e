"""From a study to its splits, its networks and their recipes.

Pure and standard library only, since the workflow imports it each time it builds its graph.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache

from transferability.study.networks import (
    ALL_IMAGES,
    HALVES,
    base_name,
    other_half,
    parse_name,
    treatment_name,
)


class StudyError(ValueError):
    """A study that cannot be run as it is written; the message says what to change."""


def split_names(splits: dict) -> list[str]:
    """The splits of a study: random0, random1, …, dissimilar, and those that were published."""
    names = [f"random{k}" for k in range(splits["random"])]
    return names + ["dissimilar"] * (splits["dissimilar"] is not None) + splits["published"]


def input_size(study: dict) -> int:
    """Height and width, in pixels, of what the networks see: the crop, or the stored size."""
    return study["recipe"]["crop"] or study["dataset"]["image_size"]


def layers(study: dict, layer_count: int) -> list[int]:
    """The n of a study: those named, or every one that the architecture has."""
    return list(range(layer_count)) if study["layers"] == "all" else list(study["layers"])


def network_names(study: dict, layer_count: int) -> list[str]:
    """The networks of each (split, seed), in a stable order, bases first."""
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
    or iterations for a long base.

    Overrides apply in the order in which they stand; a later one wins.
    """
    chosen = dict(study["recipe"])
    for override in study["overrides"]:
        if _matches(override["where"], split, seed, name):
            chosen.update(override["recipe"])
    if parse_name(name).kind == "long_base":
        chosen["epochs"] *= 2
        if chosen["iterations"]:
            chosen["iterations"] *= 2
    return chosen


def replicates(study: dict) -> list[tuple[str, int]]:
    """The (split, seed) of a study."""
    return list(itertools.product(split_names(study["splits"]), study["seeds"]))


def trained_and_omitted(
    study: dict, layer_count: int
) -> tuple[list[tuple[str, int, str]], list[tuple[str, int, str]]]:
    """The (split, seed, name) of the networks that the study trains, and of those it leaves out."""
    kept, left_out = [], []
    for network in _all_networks(study, layer_count):
        is_left_out = any(_matches(where, *network) for where in study["omit"])
        (left_out if is_left_out else kept).append(network)
    return kept, left_out


def trained(study: dict, layer_count: int) -> list[tuple[str, int, str]]:
    """The (split, seed, name) of the networks that the study trains."""
    return trained_and_omitted(study, layer_count)[0]


def omitted(study: dict, layer_count: int) -> list[tuple[str, int, str]]:
    """The (split, seed, name) of the networks that the study leaves out."""
    return trained_and_omitted(study, layer_count)[1]


def resolved(study: dict, layer_count: int) -> dict:
    """The study with its layers written out, so that what it trains can be known without its
    architecture."""
    return {**study, "layers": layers(study, layer_count)}


def _matches(where: Mapping, split: str, seed: int, name: str) -> bool:
    facts = {**_facts(name), "split": split, "seed": seed}
    return all(facts[key] in _wanted(key, value) for key, value in where.items())


@cache
def _facts(name: str) -> dict:
    """What a network's name says of it. Few names stand for many networks."""
    return {**asdict(parse_name(name)), "network": name}


def _wanted(key: str, value: object) -> list:
    values = value if isinstance(value, list) else [value]
    return [str(v) for v in values] if key == "target_size" else values


def evaluations(recipe: dict) -> int:
    """How many times a network is evaluated: each so many epochs (iterations, where these are
    given), and after the last."""
    return -(-(recipe["iterations"] or recipe["epochs"]) // recipe["evaluate_every"])


def check(
    study: dict,
    layer_names: Sequence[str],
    smallest_image: int,
    classes: int | None,
    groups: Mapping[str, int],
    images_per_class: int | None,
) -> None:
    """Refuse what the schema cannot see: what architecture and dataset make impossible.

    `layer_names` and `smallest_image` (pixels) describe the architecture; `classes`, `groups` (with
    the number of classes in each, at least) and `images_per_class` the dataset. What is None, only
    reading the images tells, and the job that needs it checks it. Raises StudyError, which names
    the key and what it allows.
    """
    _check_layers(study, layer_names)
    _check_splits(study["splits"], study["dataset"], classes, groups)
    if input_size(study) < smallest_image:
        key = "recipe.crop" if study["recipe"]["crop"] else "dataset.image_size"
        raise StudyError(
            f"{key}: {input_size(study)} pixels are too few for "
            f"architecture {study['architecture']['name']}, which needs at least {smallest_image}"
        )
    for size in study["target_sizes"]:
        if images_per_class is not None and size != ALL_IMAGES and size > images_per_class:
            raise StudyError(
                f"target_sizes: {size} images a class are more than the dataset's smallest class "
                f"has ({images_per_class}); choose at most {images_per_class}, or 'all'"
            )
    _check_overrides(study, len(layer_names))
    _check_recipes(study)
    _check_omitted(study, len(layer_names))
    _check_score(study, len(layer_names))


def _check_overrides(study: dict, layer_count: int) -> None:
    """An override that can match nothing is a mistake; one whose n is not among the layers for now
    is not."""
    for i, override in enumerate(study["overrides"]):
        _check_match(study, f"overrides[{i}].where", override["where"], layer_count)


def _check_recipes(study: dict) -> None:
    """What each network sees has to be there, and of one size, so that layers fit each other."""
    stored, crop = study["dataset"]["image_size"], study["recipe"]["crop"]
    if crop is not None and crop > stored:
        raise StudyError(
            f"recipe.crop: {crop} pixels are more than the images have; choose at most {stored}, "
            f"or raise dataset.image_size (now {stored})"
        )
    for i, override in enumerate(study["overrides"]):
        if override["recipe"].get("crop", crop) != crop:
            raise StudyError(
                f"overrides[{i}].recipe.crop: {override['recipe']['crop']} is not possible; all "
                "networks of a study see images of one size, so set recipe.crop"
            )


def _check_match(study: dict, key: str, where: Mapping, layer_count: int) -> None:
    candidates = _all_networks({**study, "layers": "all"}, layer_count)
    if not any(_matches(where, *network) for network in candidates):
        raise StudyError(
            f"{key}: it matches no network of this study; compare it with what the study trains, "
            "for instance by snakemake -n"
        )


def _check_omitted(study: dict, layer_count: int) -> None:
    for i, where in enumerate(study["omit"]):
        _check_match(study, f"omit[{i}]", where, layer_count)
    kept, left_out = trained_and_omitted(study, layer_count)
    if not kept:
        raise StudyError("omit: it leaves no network of this study; leave out fewer")
    lost = set(left_out)
    for split, seed, name in kept:
        base = parse_name(name).base
        if (split, seed, base) in lost:
            raise StudyError(
                f"omit: it leaves out {base} of {split}, seed {seed}, whose layers {name} copies; "
                f"keep {base}, or leave out what copies from it too"
            )


def _check_score(study: dict, layer_count: int) -> None:
    if study["score"] != "mean_of_10_best":
        return
    for network in _all_networks(study, layer_count):
        of_network = recipe(study, *network)
        count = evaluations(of_network)
        if count < 10:
            length = "iterations" if of_network["iterations"] else "epochs"
            raise StudyError(
                f"score: mean_of_10_best needs at least 10 evaluations, and the recipe of "
                f"{network[-1]} makes {count}; raise recipe.{length}, lower recipe.evaluate_every, "
                "or choose 'final'"
            )


def _all_networks(study: dict, layer_count: int) -> Iterator[tuple[str, int, str]]:
    """(split, seed, name) of every network of the study."""
    names = network_names(study, layer_count)
    return ((*replicate, name) for replicate in replicates(study) for name in names)


def _check_layers(study: dict, layer_names: Sequence[str]) -> None:
    last = len(layer_names) - 1
    named = [("layers", n) for n in layers(study, len(layer_names))]
    for i, override in enumerate(study["overrides"]):
        named += [
            (f"overrides[{i}].where.n", n) for n in _wanted("n", override["where"].get("n", []))
        ]
    for i, where in enumerate(study["omit"]):
        named += [(f"omit[{i}].n", n) for n in _wanted("n", where.get("n", []))]
    for key, n in named:
        if n > last:
            raise StudyError(
                f"{key}: n = {n} is not possible; architecture {study['architecture']['name']} has "
                f"{len(layer_names)} layers ({', '.join(layer_names)}) and the last one is always "
                f"new, so n is one of 0…{last}, or layers: all"
            )


def _check_splits(
    splits: dict, dataset: Mapping, classes: int | None, groups: Mapping[str, int]
) -> None:
    if splits["published"] and dataset["source"] != "imagenet":
        raise StudyError(
            f"splits.published: these part the classes of ILSVRC-2012, and dataset.source is "
            f"{dataset['source']}; set dataset.source to imagenet, or splits.published to []"
        )
    if classes is not None and splits["random"] and classes < 4:
        raise StudyError(
            f"splits.random: the dataset has {classes} classes, and each half needs at least 2; "
            "raise dataset.classes to 4 or more, or set splits.random to 0"
        )
    if splits["dissimilar"] is not None:
        _check_dissimilar(splits["dissimilar"], dataset, groups)


def _check_dissimilar(halves: Mapping, dataset: Mapping, groups: Mapping[str, int]) -> None:
    if not groups:
        how = "take a source that has them"
        if "groups" in dataset:
            how = "name a CSV file with the columns class, group in dataset.groups"
        elif dataset["source"] == "imagenet":
            how = "the paper's natural and man-made halves are splits.published: [natman]"
        raise StudyError(f"splits.dissimilar: the dataset has no groups; {how}")
    taken: dict[str, str] = {}
    for half in HALVES:
        for group in as_groups(halves[half]):
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
        size = sum(groups[group] for group in as_groups(halves[half]))
        if size < 2:
            raise StudyError(
                f"splits.dissimilar.{half}: these groups may hold {size} of the dataset's classes, "
                "and a half needs at least 2; "
                f"{'raise dataset.classes or ' if 'classes' in dataset else ''}name other groups"
            )


def as_groups(groups: str | Sequence[str]) -> list[str]:
    """The groups of one half of a dissimilar split, which the study gives as one name or a list."""
    return [groups] if isinstance(groups, str) else list(groups)
