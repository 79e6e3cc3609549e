"""The keys of a study file: their types, bounds, defaults and descriptions.

`python -m transferability.study.schema` generates workflow/schemas/study.schema.yaml, which editors
read, and config.yaml, the default study with a comment at each key.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, Field, field_validator, model_validator

from transferability.study import sections
from transferability.study.sections import FullSet, Name, Natural, OneOrMore, Section, Set

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "workflow" / "schemas" / "study.schema.yaml"
CONFIG = ROOT / "config.yaml"
WRITE = "python -m transferability.study.schema"

# The study of 2014; its published results come with this project.
PUBLISHED = "yosinski2014"
PUBLISHED_DATA = ROOT / "workflow" / "resources" / PUBLISHED
STUDY_NAME = "^[A-Za-z0-9][A-Za-z0-9_-]*$"

Half = Literal["A", "B"]
Letter = Annotated[str, Field(pattern="^[C-QT-Z]$")]
TREATMENTS = (
    *("selffer", "selffer+", "transfer", "transfer+", "random", "shuffled", "shuffled+"),
    *("reestimated", "partial", "selffer_partial"),
)
Kind = Literal["base", "long_base", *(name for name in TREATMENTS if name[-1] != "+")]
# Names are normalised in the same way as in the file of groups.
GroupName = Annotated[str, AfterValidator(lambda name: unicodedata.normalize("NFC", name.strip()))]
AllOrNumber = sections.either(Literal["all"], sections.Positive)


class Dissimilar(Section):
    A: OneOrMore[GroupName]
    """The group of half A, or several."""
    B: OneOrMore[GroupName]
    """The group of half B, or several."""


class Splits(Section):
    random: Natural = 1
    """Number of seeded random splits. They are called random0, random1, …"""
    dissimilar: Dissimilar | None = None
    """Two groups of classes, such as {A: letters, B: symbols}, or lists of groups. The halves are
    as large as their groups; null for no such split."""
    published: Set[Literal["random0", "random1", "random2", "random3", "natman"]] = []
    """The 2014 paper's own splits of ILSVRC-2012. They need source imagenet; natman has natural
    classes in A and man-made ones in B. random0 … random3 replace the seeded splits."""

    @model_validator(mode="after")
    def _are_distinct(self) -> "Splits":
        drawn = [f"random{k}" for k in range(min(self.random, 4))]
        twice = [name for name in self.published if name in drawn]
        if twice:
            raise ValueError(
                f"splits.random: {self.random} draws {', '.join(twice)}, which splits.published "
                "names too; set splits.random to 0 or name other published splits"
            )
        if not (self.random or self.dissimilar or self.published):
            raise ValueError(
                "no split is given; set splits.random to 1 or more, or name two groups in "
                "splits.dissimilar"
            )
        return self


class Where(Section):
    """Properties of a network; all must match, and a list matches any of its values."""

    network: OneOrMore[str] = None
    """A name, or several."""
    kind: OneOrMore[Kind] = None
    """A kind of network, or several."""
    source: OneOrMore[Literal["A", "B", "random"] | Letter] = None
    """The half or source whose base is copied, or random, or several of these."""
    target: OneOrMore[Half] = None
    """A half, or both."""
    n: OneOrMore[Natural] = None
    """A whole number, or several; n is 0 for bases and B0B, and 3 for P7f3B."""
    fine_tuned: bool = None
    """Whether the copied layers are trained."""
    target_size: OneOrMore[AllOrNumber] = None
    """Images per class in the target half, or several such numbers."""
    split: OneOrMore[str] = None
    """A split, or several."""
    seed: OneOrMore[Natural] = None
    """A seed, or several."""

    @model_validator(mode="after")
    def _names_a_fact(self) -> "Where":
        if not self.model_fields_set:
            raise ValueError(f"it is empty; name at least 1 of {', '.join(Where.model_fields)}")
        return self


class Source(Section):
    """A source to copy layers from, instead of another half: weights, or a dataset on which a base
    is trained here."""

    weights: Name | None = None
    """Trained weights of the architecture: their name in torchvision, such as IMAGENET1K_V2, or a
    file (.safetensors, .pt or .pth)."""
    dataset: sections.Dataset | None = None
    """Instead of weights, images on which the source is trained here, with all their classes."""
    recipe: sections.Recipe | None = None
    """Keys that differ from the study's recipe, for a source that is trained here."""
    image_size: sections.ImageSize | None = None
    """Height and width in pixels that the weights were trained for. null for what torchvision or
    the file declares."""
    interpolation: Literal["bilinear", "bicubic"] | None = None
    """How images are resized for these weights; null for what torchvision declares."""
    mean: Annotated[list[sections.Share], Field(min_length=3, max_length=3)] | None = None
    """Mean of each channel, on the scale from 0 to 1, for normalising images as these weights need
    it; null for what torchvision or the file declares."""
    std: Annotated[list[sections.PositiveNumber], Field(min_length=3, max_length=3)] | None = None
    """Std of each channel, on the same scale."""
    overlap: Literal["unknown", "none", "classes", "images"] = "unknown"
    """Whether the source was trained on classes, or on images, of the study's dataset. METHODS.md
    reports it."""
    group: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{2,}$")] | None = None
    """A name that sources of one kind share, such as several trainings of one network; it has two
    or more letters, digits, - and _. The decision, and effects whose controls copy the source, then
    also have intervals over the sources of the group."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Source":
        if (self.weights is None) == (self.dataset is None):
            raise ValueError("it needs either weights or dataset, not both")
        declared = ("image_size", "interpolation", "mean", "std")
        if self.dataset and (given := [key for key in declared if getattr(self, key) is not None]):
            raise ValueError(
                f"{given[0]} applies only to weights; remove it, since a source that is trained "
                "here has images as its dataset says"
            )
        return self


class Override(Section):
    where: Where
    recipe: sections.Recipe


Word = Literal[
    *("baseB", "base2B", "B0B", "BnB", "BnB+", "AnB", "AnB+", "RnB", "selffer", "transfer"),
    *("trained on B alone", "twice as long", "selffer, frozen", "selffer, fine-tuned"),
    *("transfer, frozen", "transfer, fine-tuned", "random, frozen"),
]


class Figures(Section):
    formats: Set[Literal["svg", "pdf", "png"]] = ["svg", "pdf", "png"]
    """File formats of each figure; svg is always written, since the report shows it."""
    width: sections.either(Literal["page", "column", "slide"], sections.number(ge=40, le=2000)) = (
        "page"
    )
    """page (178 mm), column (88 mm), slide (300 mm), or a number of millimetres. page spans both
    columns of a paper, column one. Where panels do not fit side by side, text is smaller."""
    font_size: sections.number(ge=3, le=100) | None = None
    """Size of most text in points, null for 8 (14 on a slide)."""
    theme: Literal["light", "dark"] = "light"
    """Dark text on a light background, or light text on a dark one."""
    labels: dict[Word, Name] = {}
    """Other words in figures, such as {"selffer, frozen": control}. They replace names of
    treatments and effects."""


class StudyConfig(Section):
    """One complete experiment: dataset, splits, seeds, networks, architecture and recipe."""

    study: Annotated[str, Field(pattern=STUDY_NAME)] = "glyphs"
    """Name of the study, whose results are in results/<study>. It has letters, digits, - and _."""
    dataset: sections.Dataset = Field(default_factory=sections.Glyphs)
    """The images; source says where they come from, the other keys depend on it."""
    splits: Splits | None = None
    """How the classes are split into halves A and B. Without sources, null means one random
    split."""
    sources: dict[Letter, Source] = {}
    """Sources to copy layers from, instead of splits, each under a letter from C to Z except R and
    S; B is then the whole dataset."""
    seeds: FullSet[Natural] = [0]
    """Each split is trained once per seed; a (split, seed) is one replicate."""
    targets: FullSet[Half] = ["B"]
    """The halves on which treatments are trained."""
    layers: sections.either(Literal["all"], FullSet[Natural]) = "all"
    """Values of n, the number of copied layers; all for every number of layers. n = 0 copies
    nothing and measures the noise of training."""
    treatments: FullSet[Literal[*TREATMENTS]] = [
        *("selffer", "selffer+", "transfer", "transfer+", "random"),
    ]
    """BnB, BnB+, AnB, AnB+, RnB and more. selffer (BnB) and transfer (AnB) freeze the copied
    layers; with + these are trained too (BnB+, AnB+). random (RnB) freezes untrained layers, whose
    batch normalisation changes nothing; shuffled (sAnB, sAnB+) permutes values in each copied
    tensor; reestimated (AnB~) estimates batch-norm statistics of frozen layers on B; partial
    (A7fnB) and selffer_partial (B7fnB) copy all layers but the last and freeze the first n."""
    controls: Set[Literal["baseB", "B0B", "long_base"]] = ["baseB", "B0B", "long_base"]
    """Networks trained from random initialisation for comparison. baseB is always trained if layers
    are copied from it, B0B only if layers contains 0; long_base is base2B, with twice the epochs,
    the control for the extra training of fine-tuned networks."""
    target_sizes: FullSet[AllOrNumber] = ["all"]
    """Images per class in the target half, all or a number; with a number networks are named
    A3B+@100. Epochs stay the same, so fewer images mean fewer steps; an override can give them more
    epochs."""
    architecture: sections.Architecture = Field(default_factory=sections.Small)
    """The network; name chooses it, the other keys depend on it. small and caffenet are the paper's
    network at a small size and at its own; torchvision and timm have many; custom is your function.
    `architecture: my_module:build` is short for {name: custom, build: my_module:build}."""
    recipe: sections.Recipe = Field(default_factory=sections.Recipe)
    """How each network is trained."""
    overrides: list[Override] = Field(
        default=[], examples=[{"where": {"n": 5, "kind": "transfer"}, "recipe": {"epochs": 24}}]
    )
    """Other recipes for some of the networks; where selects them (all its keys must match), recipe
    gives the keys that differ."""
    omit: list[Where] = Field(default=[], examples=[{"network": "A5B+", "split": "random0"}])
    """Networks that are left out, such as one whose training fails; each item selects
    some, like the where of an override. Tables list them without numbers, and effects that need
    them use the other replicates, or are absent."""
    search: sections.Search | None = Field(
        default=None,
        examples=[{"learning_rate": [0.01, 0.03, 0.1], "copied_learning_rate": [0.1, 0.3, 1]}],
    )
    """Learning rates to choose from. In each split and seed, each control and treatment is trained
    with each of them, and the best on one half of the validation images is chosen; its top-1 in the
    tables is on the other half. Networks to copy from have the recipe's rates; null for none."""
    score: Literal["final", "mean_of_10_best"] = "final"
    """A network's top-1 in the tables; final is its last evaluation, mean_of_10_best the mean of
    its ten best evaluations, the score of the 2014 paper."""
    margin: sections.number(gt=0, lt=1) = 0.01
    """A loss of top-1 that is treated as negligible. Findings say for which n it is smaller."""
    keep_weights: Literal["bases", "all"] = "bases"
    """Networks whose weights are kept; those of bases are always kept."""
    reference: Literal["none", "yosinski2014"] = "none"
    """Published effects that the figure of effects shows faintly behind the study's."""
    probes: sections.Probes | None = None
    """Cheap scores of layers and how well they predict, as in {images: 5000}; null for none."""
    hours: sections.PositiveNumber = 1
    """Your estimate of the longest training of a base, in hours. A cluster is asked for this time
    until the time of a base is known; it changes no result."""
    figures: Figures = Field(default_factory=Figures)
    """How figures look; a change draws them again, and trains nothing."""
    layer_names: list[str] | None = None
    """Filled in automatically: the architecture's layers, from input to output. Commands read them
    that do not load the architecture's code."""

    @model_validator(mode="after")
    def _has_splits_or_sources(self) -> "StudyConfig":
        if not self.sources:
            self.splits = self.splits or Splits()
        elif self.splits:
            raise ValueError(
                "splits and sources exclude each other; with sources, B is the whole dataset"
            )
        elif self.targets != ["B"]:
            raise ValueError("targets: with sources, B is the only target; remove targets")
        return self

    @field_validator("study")
    @classmethod
    def _is_free(cls, study: str) -> str:
        if study == PUBLISHED:
            raise ValueError(f"{study} is the name of the published results; choose another name")
        return study


def schema_text() -> str:
    """The schema as YAML."""
    text = yaml.safe_dump(json_schema(), sort_keys=False, allow_unicode=True, width=100)
    return f"# Written by `{WRITE}`.\n{text}"


@cache
def json_schema() -> dict:
    """The schema of a study file, draft 2020-12."""
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, **_plain(StudyConfig.model_json_schema())}


def _plain(node: Any) -> Any:
    """Without the titles that repeat the keys, and without the defaults of keys that have none."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return " ".join(node.split()) if isinstance(node, str) else node
    unwanted = {"title"}
    if node.get("default") is None and {"type": "null"} not in node.get("anyOf", []):
        unwanted.add("default")
    return {key: _plain(value) for key, value in node.items() if key not in unwanted}


CONFIG_HEADER = """\
# The default study: images of Unicode characters, drawn here, so that nothing is downloaded.
# A study needs only the keys that it changes; all others have their defaults. This file lists every
# key with its default, except splits.random (default: 1) and layers (default: all).
# workflow/schemas/study.schema.yaml describes each key in full, and also the keys of the other
# sources and architectures.
"""


def config_text() -> str:
    """The default study as YAML, a comment at each key."""
    # After the first convolution, after the last, and before the last layer.
    default = StudyConfig(splits=Splits(random=5), layers=[0, 1, 5, 7])
    lines = _lines(default, "")
    return "\n".join([CONFIG_HEADER, *lines]).replace("\n\n\n", "\n\n") + "\n"


def _lines(section: Section, indent: str) -> Iterator[str]:
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        comment = _comment(field.annotation, field.description)
        if isinstance(value, Section):
            yield f"\n{key + ':':<28} # {comment}"
            yield "\n".join(_lines(value, "  ")) + "\n"
            continue
        line = f"{indent}{key}: {_flow(value)}"
        commented = f"{line:<28} # {comment}"
        yield commented if len(commented) <= 100 else f"{indent}# {comment}\n{line}"
        item = "-" if isinstance(value, list) else f"{key}:"
        yield from (f"# {item} {_flow(example)}" for example in field.examples or [])


def _comment(annotation: Any, description: str) -> str:
    choices = get_args(annotation)
    if len(choices) > 1 and all(isinstance(choice, str) for choice in choices):
        return " | ".join(choices)
    return " ".join(description.split()).split(". ")[0].split("; ")[0].removesuffix(".")


def _flow(value: Any) -> str:
    return yaml.safe_dump([value], default_flow_style=True, width=1000, sort_keys=False)[1:-2]


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    CONFIG.write_text(config_text(), encoding="utf-8")
