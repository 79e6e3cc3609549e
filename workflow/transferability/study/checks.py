"""Checks of a study that need several keys, the dataset or the architecture.

Imports no heavy libraries, since the workflow imports it each time it builds its graph.
"""

from collections.abc import Mapping, Sequence

from transferability.images import DatasetInfo
from transferability.models import ArchitectureInfo
from transferability.study import networks
from transferability.study.design import Study, StudyError, as_list, evaluations, matches


def check(study: Study, architecture: ArchitectureInfo, dataset: DatasetInfo) -> None:
    """Raise StudyError if a setting is impossible with this architecture, dataset or other keys.

    The message names the key and the allowed values. Where the dataset's info is None, the value is
    known only after the images are read; the job that reads them then checks it.
    """
    _check_layers(study, architecture.layer_names)
    _check_splits(study, dataset)
    _check_sources(study)
    _check_sizes(study, architecture.smallest_image, dataset.images_per_class)
    _check_omitted(study, len(architecture.layer_names))
    _check_score(study)
    _check_probing(study, dataset)
    _check_search(study)


def _check_layers(study: Study, layer_names: Sequence[str]) -> None:
    last = len(layer_names) - 1
    name = study["architecture"].get("model") or study["architecture"]["name"]
    named = {f"{key}.n": as_list(where.get("n", [])) for key, where in _wheres(study)}
    for key, numbers in {"layers": study["layers"], **named}.items():
        if (n := max(numbers, default=0)) > last:
            raise StudyError(
                f"{key}: n = {n} is not valid; architecture {name} has "
                f"{len(layer_names)} layers ({', '.join(layer_names)}) and the last one is always "
                f"new; choose n from 0 to {last}, or layers: all"
            )


def _wheres(study: Study) -> list[tuple[str, dict]]:
    """The parts of the study that choose networks, each with its key."""
    return [
        *((f"overrides[{i}].where", item["where"]) for i, item in enumerate(study["overrides"])),
        *((f"omit[{i}]", where) for i, where in enumerate(study["omit"])),
    ]


def _check_splits(study: Study, dataset: DatasetInfo) -> None:
    splits, settings = study["splits"], study["dataset"]
    if splits is None:
        return
    if splits["published"] and settings["source"] != "imagenet":
        raise StudyError(
            f"splits.published: these split the classes of ILSVRC-2012, but dataset.source is "
            f"{settings['source']}; set dataset.source to imagenet, or splits.published to []"
        )
    if dataset.classes is not None and splits["random"] and dataset.classes < 4:
        raise StudyError(
            f"splits.random: the dataset has {dataset.classes} classes, and each half needs at "
            "least 2; raise dataset.classes to 4 or more, or set splits.random to 0"
        )
    if splits["dissimilar"]:
        _check_dissimilar(splits["dissimilar"], dataset.groups)


def _check_sources(study: Study) -> None:
    """Check that all networks see images of one size, normalised in one way."""
    seen: dict[str, tuple] = {}
    for letter, source in study["sources"].items():
        stored, size = study["dataset"]["image_size"], (source["dataset"] or {}).get("image_size")
        if source["dataset"] and size != stored:
            raise StudyError(
                f"sources.{letter}.dataset.image_size: {size} pixels, but the study's dataset has "
                f"{stored}; all networks of a study see images of the same size, so set both to "
                "the same value"
            )
        if source["weights"] and source["mean"] is None:
            raise StudyError(
                f"sources.{letter}: neither the study nor the file {source['weights']} says how "
                "its images are normalised; give mean and std, each of three channels, on the "
                "scale from 0 to 1"
            )
        seen[letter] = (*(source["mean"] or [letter]), *(source["std"] or []))
    for key in ("image_size", "interpolation"):
        found = sorted({s[key] for s in study["sources"].values() if s["weights"]})
        if len(found) > 1:
            raise StudyError(
                f"sources: {', '.join(study['sources'])} need images of {key} "
                f"{' and '.join(map(str, found))}, but all networks of a study see the same "
                f"images; make separate studies, or give all sources the same {key}"
            )
    for letter, group in study.groups.items():
        # In tables, `random` is the group of layers without a source.
        if group == "random" or [*study.groups.values()].count(group) == 1:
            raise StudyError(
                f"sources.{letter}.group: {group} has one source, but an interval over sources "
                "needs two; give another source the same group, not called random, or remove it"
            )
    is_measured = study["recipe"]["normalise"] in ("channels", "mean_image")
    if is_measured and len(set(seen.values())) > 1:
        raise StudyError(
            f"sources: {', '.join(seen)} need images normalised in different ways; make separate "
            "studies, or set recipe.normalise to target"
        )
    if study["recipe"]["normalise"] == "mean_image" and study.imported:
        raise StudyError(
            "recipe.normalise: mean_image is not valid, since weights have no mean image; "
            "choose channels, or target for the statistics of the study's dataset"
        )


def _check_dissimilar(halves: Mapping, groups: Mapping[str, int]) -> None:
    if not groups:
        raise StudyError(
            "splits.dissimilar: the dataset has no groups; name a CSV file with the columns class, "
            "group in dataset.groups (folder, torchvision), or for imagenet use splits.published: "
            "[natman]"
        )
    taken: dict[str, str] = {}
    for half in networks.HALVES:
        for group in as_list(halves[half]):
            if group not in groups:
                raise StudyError(
                    f"splits.dissimilar.{half}: the dataset has no group {group!r}; "
                    f"its groups are {', '.join(groups)}"
                )
            if group in taken:
                raise StudyError(
                    f"splits.dissimilar: group {group!r} is in both {taken[group]} and {half}, but "
                    "the halves must not overlap; name it in one of them"
                )
            taken[group] = half


def _check_sizes(study: Study, smallest_image: int, images_per_class: int | None) -> None:
    """Check that images are large enough and of one size, so that layers fit each other."""
    stored, crop = study["dataset"]["image_size"], study["recipe"]["crop"]
    if study.input_size < smallest_image:
        raise StudyError(
            f"{'recipe.crop' if crop else 'dataset.image_size'}: {study.input_size} pixels are too "
            f"few for architecture {study['architecture']['name']}, which needs at least "
            f"{smallest_image}"
        )
    if crop is not None and crop > stored:
        raise StudyError(
            f"recipe.crop: {crop} pixels are more than the images have; choose at most {stored}, "
            f"or raise dataset.image_size (now {stored})"
        )
    recipes = {f"overrides[{i}].recipe": o["recipe"] for i, o in enumerate(study["overrides"])}
    recipes |= {f"sources.{k}.recipe": s["recipe"] or {} for k, s in study["sources"].items()}
    for place, recipe in recipes.items():
        for key in ["crop", *["normalise"] * bool(study["sources"])]:
            if recipe.get(key, study["recipe"][key]) != study["recipe"][key]:
                raise StudyError(
                    f"{place}.{key}: {recipe[key]} is not valid; all networks of a study see "
                    f"images of one size and, with sources, one normalisation; set recipe.{key}"
                )
    for size in study["target_sizes"]:
        if images_per_class is not None and size != networks.ALL_IMAGES and size > images_per_class:
            raise StudyError(
                f"target_sizes: {size} images per class are more than the dataset's smallest class "
                f"has ({images_per_class}); choose at most {images_per_class}, or 'all'"
            )


def _check_omitted(study: Study, layer_count: int) -> None:
    # An override or omit for an n that is not in `layers` at present is not a mistake.
    candidates = Study({**study, "layers": list(range(layer_count))})
    for key, where in _wheres(study):
        matching = matches if key.startswith("omit") else candidates.matches
        if not any(matching(where, *network) for network in candidates.networks):
            raise StudyError(
                f"{key}: it matches no network of this study; compare it with the networks that "
                "PLAIN=1 uv run snakemake -n lists"
            )
    if not study.trained:
        raise StudyError("omit: it leaves no network of this study; omit fewer")
    omitted = set(study.omitted)
    for split, seed, name in study.trained:
        if (split, seed, base := networks.parse_name(name).base) in omitted:
            raise StudyError(
                f"omit: it leaves out {base} of {split}, seed {seed}, whose layers {name} copies; "
                f"keep {base}, or also omit the networks that copy it"
            )


def _check_score(study: Study) -> None:
    for network in study.networks if study["score"] == "mean_of_10_best" else ():
        recipe = study.recipe_of(*network)
        # With fewer, the ten best would include networks that are still far from trained.
        if (count := evaluations(recipe)) < 40:
            length = "iterations" if recipe["iterations"] else "epochs"
            raise StudyError(
                f"score: mean_of_10_best needs at least 40 evaluations, but the recipe of "
                f"{network[-1]} has {count}; raise recipe.{length}, lower recipe.evaluate_every, "
                "or choose 'final'"
            )


def _check_probing(study: Study, dataset: DatasetInfo) -> None:
    # Other halves have other sizes, and a folder of ImageNet may have only some of the classes.
    is_half = all(name.startswith(("random", "whole")) for name in study.split_names)
    is_known = dataset.size and is_half and study["dataset"]["source"] != "imagenet"
    for network in study.networks:
        recipe = study.recipe_of(*network)
        probed, length = recipe.get("probe_epochs", 0), "epochs"
        if recipe["iterations"]:
            # The length of an epoch may be known only after the images are read.
            length = "iterations"
            size = study.target_size(dataset.size) if is_known else None
            probed *= study.epoch_of(*network, size) if size and probed else 0
        if probed >= recipe[length]:
            raise StudyError(
                f"recipe.probe_epochs: {probed} of the {recipe[length]} {length} of {network[-1]} "
                f"leave no {length} to train its copied layers; lower it, or raise recipe.{length}"
            )


def _check_search(study: Study) -> None:
    if study["search"] is None:
        return
    for key in networks.SEARCHED:
        grid, rate = study["search"][key], study["recipe"][key]
        if grid is not None and rate not in grid:
            raise StudyError(
                f"search.{key}: {grid} lacks {rate:g}, the recipe's value, with which the networks "
                f"to copy from are trained; add it, or set recipe.{key} to one of these"
            )
        for i, override in enumerate(study["overrides"]):
            if key in override["recipe"]:
                raise StudyError(
                    f"overrides[{i}].recipe.{key}: the search chooses it for each network; "
                    "remove it, or set search to null"
                )
    if study["score"] != "final":
        raise StudyError(
            f"score: {study['score']} is not valid with search, which reports the last evaluation "
            "on images that it did not use for the choice; choose 'final'"
        )
