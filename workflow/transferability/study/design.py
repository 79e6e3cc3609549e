"""A study: its splits, its networks and their recipes, and what its parts allow each other.

Free of heavy libraries, since the workflow imports it each time it builds its graph.
"""

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property

from transferability.images import DatasetInfo, Size
from transferability.models import ArchitectureInfo
from transferability.study import networks
from transferability.study.sections import Recipe
from transferability.study.networks import TrainingSpec

WHOLE = "whole"
"""The split of a study with sources, in which all classes are in half B."""

FEW_STEPS = 300
"""With fewer steps in all, networks were found that did not learn."""

OF_COPIED_LAYERS = ("copied_learning_rate", "layer_decay", "probe_epochs")
"""Keys of the recipe about copied layers that learn."""

Network = tuple[str, int, str]
"""A network of a study: (split, seed, name)."""


class StudyError(ValueError):
    """A study that cannot be run as it is written; the message says what to change."""


class Study(dict):
    """The settings of a complete study, by key, its layers written out, and what follows from them.

    A change of settings makes another study: `Study({**study, "seeds": [0, 1]})`.
    """

    @property
    def split_names(self) -> list[str]:
        """random0, random1, …, dissimilar, and those that were published; `whole` with sources."""
        splits = self["splits"]
        if self.get("sources"):
            return [WHOLE]
        names = [f"random{k}" for k in range(splits["random"])]
        return names + ["dissimilar"] * (splits["dissimilar"] is not None) + splits["published"]

    @property
    def replicates(self) -> list[tuple[str, int]]:
        """Each (split, seed)."""
        return list(itertools.product(self.split_names, self["seeds"]))

    @property
    def input_size(self) -> int:
        """Height and width, in pixels, of what the networks see: the crop, or the stored size."""
        return self["recipe"]["crop"] or self["dataset"]["image_size"]

    @cached_property
    def network_names(self) -> list[str]:
        """The networks of each (split, seed), in a stable order, bases first."""
        treatments = list(dict.fromkeys(map(networks.trained_name, self._treatment_names)))
        copied = {base for name in treatments if (base := networks.parse_name(name).base)}
        controls = [networks.base_name(*half) for half in self._targets]
        bases = sorted({*(copied - set(self.imported)), *controls * ("baseB" in self["controls"])})
        long_bases = [networks.base_name(*half, long=True) for half in self._targets]
        return bases + long_bases * ("long_base" in self["controls"]) + treatments

    @property
    def table_names(self) -> list[str]:
        """The networks of each (split, seed) as tables name them: with P7f0B and P7f7B beside the
        networks P7B+ and P7B, which they are."""
        aliases = [name for name in self._treatment_names if networks.trained_name(name) != name]
        return self.network_names + aliases

    @property
    def imported(self) -> dict[str, str]:
        """The bases that are not trained here, each with the letter of its source."""
        sources = self["sources"].items()
        return {networks.base_name(letter): letter for letter, s in sources if s["weights"]}

    @property
    def _targets(self) -> list[tuple[str, str]]:
        return list(itertools.product(self["targets"], map(str, self["target_sizes"])))

    @cached_property
    def _treatment_names(self) -> list[str]:
        names, last = [], len(self["layer_names"]) - 1
        is_partial = [treatment.endswith("partial") for treatment in self["treatments"]]
        for target, size in self._targets:
            copied = list(self["sources"]) or [networks.other_half(target)]
            from_target = {"selffer": [target], "selffer_partial": [target], "random": ["R"]}
            # Partial fine-tuning is compared with that of all layers, at n = 0.
            for n in [0] * (any(is_partial) and 0 not in self["layers"]) + self["layers"]:
                if n == 0 and n in self["layers"] and "B0B" in self["controls"]:
                    names.append(networks.treatment_name("selffer", target, 0, target, last, size))
                for treatment, partial in zip(self["treatments"], is_partial, strict=True):
                    if n or partial:
                        names += [
                            networks.treatment_name(treatment, source, n, target, last, size)
                            for source in from_target.get(treatment.removesuffix("+"), copied)
                        ]
        return names

    @property
    def networks(self) -> list[Network]:
        """Every network, also those that are left out."""
        return [(*replicate, name) for replicate in self.replicates for name in self.network_names]

    @cached_property
    def omitted(self) -> list[Network]:
        """The networks that the study leaves out."""
        return [n for n in self.networks if any(_matches(where, *n) for where in self["omit"])]

    @cached_property
    def trained(self) -> list[Network]:
        """The networks that the study trains."""
        omitted = set(self.omitted)
        return [network for network in self.networks if network not in omitted]

    def keeps_weights(self, name: str) -> bool:
        """Whether a network's weights are kept."""
        return self["keep_weights"] == "all" or networks.parse_name(name).is_base

    def recipe_of(self, split: str, seed: int, name: str) -> dict:
        """The recipe by which one network is trained: the study's, its overrides (a later one
        wins), and twice the epochs or iterations for a long base.

        The keys about copied layers that learn are in it only where there are such layers and the
        value is not the default, so that they change no other network.
        """
        chosen = dict(self["recipe"])
        for override in self["overrides"]:
            if _matches(override["where"], split, seed, name):
                chosen.update(override["recipe"])
        network = networks.parse_name(name)
        copies_learn = network.base is not None and network.frozen_layers < network.copied
        if network.is_base and network.target in self["sources"]:
            chosen.update(self["sources"][network.target]["recipe"] or {})
        if network.kind == "long_base":
            chosen["epochs"] *= 2
            chosen["iterations"] = chosen["iterations"] and 2 * chosen["iterations"]
        for key in OF_COPIED_LAYERS:
            if not copies_learn or chosen[key] == Recipe.model_fields[key].default:
                del chosen[key]
        return chosen

    def training(self, split: str, seed: int, name: str) -> TrainingSpec:
        """The training of a network. Raises ValueError if it is no network's name."""
        recipe = self.recipe_of(split, seed, name)
        declared = [s for s in self["sources"].values() if s["weights"]]
        normalised_by = None
        if declared and recipe["normalise"] == "channels":
            normalised_by = {key: list(declared[0][key]) for key in ("mean", "std")}
        return TrainingSpec.of(name, split, seed, self["architecture"], recipe, normalised_by)

    def steps_of(self, split: str, seed: int, name: str, size: Size) -> int:
        """The steps of one training on a dataset of that size, of which each half has half of the
        classes and images, and a study with sources all."""
        network, recipe = networks.parse_name(name), self.recipe_of(split, seed, name)
        halves = 1 if self["sources"] else 2
        images = size.train // halves
        if network.target_size != networks.ALL_IMAGES:
            images = int(network.target_size) * (size.classes // halves)
        per_epoch = networks.steps_per_epoch(images, recipe["batch_size"])
        return recipe["iterations"] or recipe["epochs"] * per_epoch


def few_steps(study: Study, size: Size) -> str | None:
    """A warning where a network of the study is trained in few steps."""
    # The images of a source that is trained here are others.
    trained = [n for n in study.trained if networks.parse_name(n[2]).target in networks.HALVES]
    steps, (split, seed, name) = min((study.steps_of(*n, size), n) for n in trained)
    if steps >= FEW_STEPS:
        return None
    return (
        f"warning: {split}/seed{seed}/{name} is trained in {steps} steps, and with fewer than "
        f"{FEW_STEPS}\na network may not learn; raise recipe.epochs or lower recipe.batch_size"
    )


def _matches(where: Mapping, split: str, seed: int, name: str) -> bool:
    facts = {**vars(networks.parse_name(name)), "network": name, "split": split, "seed": seed}
    for key, wanted in where.items():
        fact = facts[key]
        # Names hold the size as a text; a study may give a number.
        values = [str(v) for v in as_list(wanted)] if key == "target_size" else as_list(wanted)
        if fact not in values:
            return False
    return True


def evaluations(recipe: Mapping) -> int:
    """How many times a network is evaluated: each so many epochs (iterations, where these are
    given), and after the last."""
    return -(-(recipe["iterations"] or recipe["epochs"]) // recipe["evaluate_every"])


def as_list(value: object) -> list:
    """What the study gives as one value or a list of several, such as the groups of a half."""
    return value if isinstance(value, list) else [value]


def check(study: Study, architecture: ArchitectureInfo, dataset: DatasetInfo) -> None:
    """Refuse what no single key shows: what architecture, dataset and other keys make impossible.

    Where the dataset's info has None, only reading the images shows it, and the job that reads them
    checks it. Raises StudyError, which names the key and what it allows.
    """
    _check_layers(study, architecture.layer_names)
    _check_splits(study, dataset)
    _check_sources(study)
    _check_sizes(study, architecture.smallest_image, dataset.images_per_class)
    _check_omitted(study, len(architecture.layer_names))
    _check_score(study)


def _check_layers(study: Study, layer_names: Sequence[str]) -> None:
    last = len(layer_names) - 1
    named = {f"{key}.n": as_list(where.get("n", [])) for key, where in _wheres(study)}
    for key, numbers in {"layers": study["layers"], **named}.items():
        if (n := max(numbers, default=0)) > last:
            raise StudyError(
                f"{key}: n = {n} is not possible; architecture {study['architecture']['name']} has "
                f"{len(layer_names)} layers ({', '.join(layer_names)}) and the last one is always "
                f"new, so n is one of 0…{last}, or layers: all"
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
            f"splits.published: these split the classes of ILSVRC-2012, and dataset.source is "
            f"{settings['source']}; set dataset.source to imagenet, or splits.published to []"
        )
    if dataset.classes is not None and splits["random"] and dataset.classes < 4:
        raise StudyError(
            f"splits.random: the dataset has {dataset.classes} classes, and each half needs at "
            "least 2; raise dataset.classes to 4 or more, or set splits.random to 0"
        )
    if splits["dissimilar"]:
        _check_dissimilar(splits["dissimilar"], settings, dataset.groups)


def _check_sources(study: Study) -> None:
    """All networks see images of one size, normalised in one way."""
    seen: dict[str, tuple] = {}
    for letter, source in study["sources"].items():
        stored, size = study["dataset"]["image_size"], (source["dataset"] or {}).get("image_size")
        if source["dataset"] and size != stored:
            raise StudyError(
                f"sources.{letter}.dataset.image_size: {size} pixels, and those of the study's "
                f"dataset have {stored}; all networks of a study see images of one size, so set "
                "both to one"
            )
        if source["weights"] and source["mean"] is None:
            raise StudyError(
                f"sources.{letter}: neither the study nor the file {source['weights']} says how "
                "its images are normalised; give mean and std, each of three channels, on the "
                "scale from 0 to 1"
            )
        seen[letter] = (*(source["mean"] or [letter]), *(source["std"] or []))
    if study["recipe"]["normalise"] == "channels" and len(set(seen.values())) > 1:
        raise StudyError(
            f"sources: {', '.join(seen)} want their images normalised in different ways; make them "
            "studies of their own, or set recipe.normalise to target"
        )
    if study["recipe"]["normalise"] == "mean_image" and study.imported:
        raise StudyError(
            "recipe.normalise: mean_image is not possible, since weights bring no mean image; "
            "choose channels, or target for the statistics of the study's dataset"
        )


def _check_dissimilar(halves: Mapping, settings: Mapping, groups: Mapping[str, int]) -> None:
    if not groups:
        remedy = "take a source that has them"
        if "groups" in settings:
            remedy = "name a CSV file with the columns class, group in dataset.groups"
        elif settings["source"] == "imagenet":
            remedy = "the paper's natural and man-made halves are splits.published: [natman]"
        raise StudyError(f"splits.dissimilar: the dataset has no groups; {remedy}")
    taken: dict[str, str] = {}
    for half in networks.HALVES:
        chosen = as_list(halves[half])
        for group in chosen:
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
        size = sum(groups[group] for group in chosen)
        if size < 2:
            raise StudyError(
                f"splits.dissimilar.{half}: these groups may hold {size} of the dataset's classes, "
                "and a half needs at least 2; "
                f"{'raise dataset.classes or ' if 'classes' in settings else ''}name other groups"
            )


def _check_sizes(study: Study, smallest_image: int, images_per_class: int | None) -> None:
    """What each network sees has to be there, and of one size, so that layers fit each other."""
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
    for i, override in enumerate(study["overrides"]):
        if override["recipe"].get("crop", crop) != crop:
            raise StudyError(
                f"overrides[{i}].recipe.crop: {override['recipe']['crop']} is not possible; all "
                "networks of a study see images of one size, so set recipe.crop"
            )
    for size in study["target_sizes"]:
        if images_per_class is not None and size != networks.ALL_IMAGES and size > images_per_class:
            raise StudyError(
                f"target_sizes: {size} images a class are more than the dataset's smallest class "
                f"has ({images_per_class}); choose at most {images_per_class}, or 'all'"
            )


def _check_omitted(study: Study, layer_count: int) -> None:
    # One whose n is not among the layers for now is no mistake.
    candidates = Study({**study, "layers": list(range(layer_count))}).networks
    for key, where in _wheres(study):
        if not any(_matches(where, *network) for network in candidates):
            raise StudyError(
                f"{key}: it matches no network of this study; compare it with what the study "
                "trains, for instance by snakemake -n"
            )
    if not study.trained:
        raise StudyError("omit: it leaves no network of this study; leave out fewer")
    omitted = set(study.omitted)
    for split, seed, name in study.trained:
        if (split, seed, base := networks.parse_name(name).base) in omitted:
            raise StudyError(
                f"omit: it leaves out {base} of {split}, seed {seed}, whose layers {name} copies; "
                f"keep {base}, or leave out what copies from it too"
            )


def _check_score(study: Study) -> None:
    for network in study.networks if study["score"] == "mean_of_10_best" else ():
        recipe = study.recipe_of(*network)
        if (count := evaluations(recipe)) < 10:
            length = "iterations" if recipe["iterations"] else "epochs"
            raise StudyError(
                f"score: mean_of_10_best needs at least 10 evaluations, and the recipe of "
                f"{network[-1]} makes {count}; raise recipe.{length}, lower recipe.evaluate_every, "
                "or choose 'final'"
            )
