"""A study: its splits, its networks and their recipes.

Imports no heavy libraries, since the workflow imports it each time it builds its graph.
"""

import itertools
from collections.abc import Mapping
from functools import cached_property

from transferability.images import Size
from transferability.study import networks
from transferability.study.networks import TrainingSpec
from transferability.study.sections import Recipe

WHOLE = "whole"
"""The split of a study with sources, in which all classes are in half B."""

FEW_STEPS = 300
"""With fewer training steps in total, some networks did not learn."""

OF_COPIED_LAYERS = ("copied_learning_rate", "layer_decay", "probe_epochs")
"""Keys of the recipe that apply only to copied layers that are trained."""

Network = tuple[str, int, str]
"""A network of a study: (split, seed, name)."""


class StudyError(ValueError):
    """A study that cannot be run as written; the message says what to change."""


class Study(dict):
    """The settings of a complete study by key, with its layers listed, and values derived from it.

    To change a setting, make a new study: `Study({**study, "seeds": [0, 1]})`.
    """

    @property
    def split_names(self) -> list[str]:
        """random0, random1, …, dissimilar, and the published splits; only `whole` with sources."""
        splits = self["splits"]
        if self.get("sources"):
            return [WHOLE]
        names = [f"random{k}" for k in range(splits["random"])]
        return names + ["dissimilar"] * (splits["dissimilar"] is not None) + splits["published"]

    @property
    def replicates(self) -> list[tuple[str, int]]:
        """All pairs (split, seed)."""
        return list(itertools.product(self.split_names, self["seeds"]))

    @property
    def input_size(self) -> int:
        """Height and width in pixels of the networks' inputs: the crop, or the stored size."""
        return self["recipe"]["crop"] or self["dataset"]["image_size"]

    @cached_property
    def network_names(self) -> list[str]:
        """The names of the networks of each (split, seed), in a stable order, bases first."""
        treatments = list(dict.fromkeys(map(networks.trained_name, self._treatment_names)))
        copied = {base for name in treatments if (base := networks.parse_name(name).base)}
        controls = [networks.base_name(*half) for half in self._targets]
        bases = sorted({*(copied - set(self.imported)), *controls * ("baseB" in self["controls"])})
        long_bases = [networks.base_name(*half, long=True) for half in self._targets]
        return bases + long_bases * ("long_base" in self["controls"]) + treatments

    def candidates(self, name: str) -> list[str]:
        """The names of the trainings from which the search selects the network of this name. The
        first has this name and uses the recipe's learning rates; only its layers are copied by
        others."""
        network = networks.parse_name(name)
        is_no_control = network.kind == "base" and "baseB" not in self["controls"]
        if not self["search"] or is_no_control or network.target not in self["targets"]:
            return [name]
        keys = networks.SEARCHED if network.copies_learn else networks.SEARCHED[:1]
        names = [name]
        for key in keys:
            of_recipe = self["recipe"][key]
            rates = self["search"][key] or [of_recipe]
            names = [
                k if rate == of_recipe else networks.candidate_name(k, key, rate)
                for k in names
                for rate in rates
            ]
        return sorted(names, key=len)

    @property
    def table_names(self) -> list[str]:
        """The networks of each (split, seed) in tables. P7f0B and P7f7B are listed in addition to
        P7B+ and P7B, although they are the same networks."""
        aliases = [name for name in self._treatment_names if networks.trained_name(name) != name]
        return self.network_names + aliases

    @property
    def imported(self) -> dict[str, str]:
        """The imported (not trained) bases, each with the letter of its source."""
        sources = self["sources"].items()
        return {networks.base_name(letter): letter for letter, s in sources if s["weights"]}

    @property
    def groups(self) -> dict[str, str]:
        """The group of each source that has a group, by letter."""
        return {letter: s["group"] for letter, s in self["sources"].items() if s["group"]}

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
            # Partial fine-tuning is compared with fine-tuning all layers, which is n = 0.
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

    def target_size(self, size: Size) -> Size:
        """The number of classes and images on which a network is trained, for a dataset of this
        size: half of them or, with sources, all."""
        return size if self["sources"] else Size(*(count // 2 for count in size))

    @property
    def networks(self) -> list[Network]:
        """All networks, including those that the study leaves out."""
        trained = [name for plain in self.network_names for name in self.candidates(plain)]
        return [(*replicate, name) for replicate in self.replicates for name in trained]

    @cached_property
    def omitted(self) -> list[Network]:
        """The networks that the study leaves out."""
        return [n for n in self.networks if any(matches(where, *n) for where in self["omit"])]

    @cached_property
    def trained(self) -> list[Network]:
        """The networks that the study trains."""
        omitted = set(self.omitted)
        return [network for network in self.networks if network not in omitted]

    def share(self, share: str) -> list[Network]:
        """The trained networks of one share, `k/n`: those of each n-th replicate, starting with the
        k-th. A replicate's bases and the networks that copy them are in the same share."""
        k, n = (int(part) if part.isdecimal() else 0 for part in f"{share}/".split("/")[:2])
        if share != f"{k}/{n}" or not 1 <= k <= n <= len(self.replicates):
            raise StudyError(
                f"share: {share} is not a share of this study; choose 1/n to n/n, with n at most "
                f"its {len(self.replicates)} replicates (splits × seeds)"
            )
        replicates = self.replicates[k - 1 :: n]
        return [network for network in self.trained if network[:2] in replicates]

    def matches(self, where: Mapping, split: str, seed: int, name: str) -> bool:
        """Whether a network has the properties in the `where` of an override. A `where` for partial
        networks also matches P7B+ and P7B, which are P7f0B and P7f7B."""
        plain, aliases = networks.parse_name(name).plain_name, []
        if {"kind", "network"} & {*where}:
            aliases = [k for k in self._treatment_names if networks.trained_name(k) == plain]
        asked = as_list(where.get("kind", [])) + as_list(where.get("network", []))
        if not any(kind.endswith("partial") or kind in aliases for kind in asked):
            aliases = []
        return any(matches(where, split, seed, each) for each in (name, *aliases))

    def keeps_weights(self, name: str) -> bool:
        """Whether a network's weights are kept."""
        return self["keep_weights"] == "all" or networks.parse_name(name).is_base

    def recipe_of(self, split: str, seed: int, name: str) -> dict:
        """The recipe with which one network is trained: that of the study, with its overrides (a
        later one wins), and twice the epochs or iterations for a long base.

        Keys for trained copied layers are included only if there are such layers and the value is
        not the default, so that these keys do not change the recipe of other networks.
        """
        chosen = dict(self["recipe"])
        for override in self["overrides"]:
            if self.matches(override["where"], split, seed, name):
                chosen.update(override["recipe"])
        network = networks.parse_name(name)
        if network.is_base and network.target in self["sources"]:
            chosen.update(self["sources"][network.target]["recipe"] or {})
        if network.kind == "long_base":
            chosen["epochs"] *= 2
            chosen["iterations"] = chosen["iterations"] and 2 * chosen["iterations"]
        for key in networks.SEARCHED:
            if (rate := getattr(network, key)) is not None:
                chosen[key] = rate
        for key in OF_COPIED_LAYERS:
            if not network.copies_learn or chosen[key] == Recipe.model_fields[key].default:
                del chosen[key]
        return chosen

    def training(self, split: str, seed: int, name: str) -> TrainingSpec:
        """The training of a network. Raises ValueError if `name` is not the name of a network."""
        recipe = self.recipe_of(split, seed, name)
        # The number of GPUs changes results only by rounding and by dropout masks.
        recipe.pop("gpus", None)
        declared = [s for s in self["sources"].values() if s["weights"]]
        normalised_by = None
        if declared and recipe["normalise"] == "channels":
            normalised_by = {key: list(declared[0][key]) for key in ("mean", "std")}
        return TrainingSpec.of(name, split, seed, self["architecture"], recipe, normalised_by)

    def import_settings(self, letter: str) -> list:
        """The settings on which the weights of an imported source depend."""
        source = self["sources"][letter]
        keys = ("weights", "image_size", "interpolation", "mean", "std")
        return [{key: source[key] for key in keys}, self["architecture"], self.input_size]

    def steps_of(self, split: str, seed: int, name: str, size: Size) -> int:
        """The number of steps of one training on a target of this size."""
        recipe = self.recipe_of(split, seed, name)
        return recipe["iterations"] or recipe["epochs"] * self.epoch_of(split, seed, name, size)

    def epoch_of(self, split: str, seed: int, name: str, size: Size) -> int:
        """The number of steps in an epoch of one training on a target of this size."""
        network, recipe = networks.parse_name(name), self.recipe_of(split, seed, name)
        images = size.train
        if network.target_size != networks.ALL_IMAGES:
            images = int(network.target_size) * size.classes
        return networks.steps_per_epoch(images, recipe["batch_size"])


def few_steps(study: Study, size: Size) -> str | None:
    """A warning if a network of the study is trained for few steps, otherwise None."""
    # A source that is trained here has other images than the target.
    trained = [n for n in study.trained if networks.parse_name(n[2]).target in networks.HALVES]
    size = study.target_size(size)
    counted = [(study.steps_of(*n, size), n) for n in trained]
    steps, (split, seed, name) = min(counted, default=(FEW_STEPS, ("", 0, "")))
    if steps >= FEW_STEPS:
        return None
    counts_steps = study.recipe_of(split, seed, name)["iterations"]
    remedy = "iterations" if counts_steps else "epochs or lower recipe.batch_size"
    return (
        f"warning: {split}/seed{seed}/{name} is trained for {steps} steps; with fewer than "
        f"{FEW_STEPS},\na network may not learn; raise recipe.{remedy}"
    )


def matches(where: Mapping, split: str, seed: int, name: str) -> bool:
    """Whether a network has the properties in `where`."""
    network = networks.parse_name(name)
    facts = {key: [value] for key, value in vars(network).items()}
    # A candidate of a search also matches its own name.
    facts |= {"network": [network.plain_name, name], "split": [split], "seed": [seed]}
    # Compared as texts: names contain the size as text, and a study may give a number.
    return all(
        {*map(str, facts[key])} & {*map(str, as_list(wanted))} for key, wanted in where.items()
    )


def evaluations(recipe: Mapping) -> int:
    """The number of evaluations of a network: one every `evaluate_every` epochs (or iterations, if
    the recipe has these), and one at the end."""
    return -(-(recipe["iterations"] or recipe["epochs"]) // recipe["evaluate_every"])


def as_list(value: object) -> list:
    """A value as a list, for keys that allow one value or a list."""
    return value if isinstance(value, list) else [value]
