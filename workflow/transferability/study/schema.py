"""The keys of a study file: their types, bounds, defaults and descriptions.

`python -m transferability.study.schema` writes from them workflow/schemas/study.schema.yaml, which
editors read, and config.yaml, the default study with a comment at each key.
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

# The study of 2014, whose results are published and come with the project.
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
# As the file of groups is read.
GroupName = Annotated[str, AfterValidator(lambda name: unicodedata.normalize("NFC", name.strip()))]
AllOrNumber = sections.either(Literal["all"], sections.Positive)


class Dissimilar(Section):
    A: OneOrMore[GroupName]
    """The group of half A, or several."""
    B: OneOrMore[GroupName]
    """The group of half B, or several."""


class Splits(Section):
    random: Natural = 1
    """How many seeded random splits. They are called random0, random1, …"""
    dissimilar: Dissimilar | None = None
    """Two groups of classes, such as {A: letters, B: symbols}, or lists of groups. The halves are
    as large as the groups are; null for no such split."""
    published: Set[Literal["random0", "random1", "random2", "random3", "natman"]] = []
    """The 2014 paper's own splits of ILSVRC-2012. They need source imagenet; natman has natural
    classes in A and man-made ones in B. random0 … random3 take the place of seeded ones."""

    @model_validator(mode="after")
    def _are_distinct(self) -> "Splits":
        drawn = [f"random{k}" for k in range(min(self.random, 4))]
        twice = [name for name in self.published if name in drawn]
        if twice:
            raise ValueError(
                f"{', '.join(twice)} would be drawn, since splits.random is {self.random}, and is "
                "among splits.published; set splits.random to 0 or name other published splits"
            )
        if not (self.random or self.dissimilar or self.published):
            raise ValueError(
                "there is none; set splits.random to 1 or more, or name two groups in "
                "splits.dissimilar"
            )
        return self


class Where(Section):
    """Facts of a network; all must match, and a list matches any of its values."""

    network: OneOrMore[str] = None
    """A name, or several."""
    kind: OneOrMore[Kind] = None
    """A kind of network, or several."""
    source: OneOrMore[Literal["A", "B", "random"] | Letter] = None
    """The half or source whose base is copied, or random, or several of these."""
    target: OneOrMore[Half] = None
    """A half, or both."""
    n: OneOrMore[Natural] = None
    """A whole number, or several; the n of a base is 0, as that of B0B, and that of P7f3B is 3."""
    fine_tuned: bool = None
    """Whether the copied layers learn."""
    target_size: OneOrMore[AllOrNumber] = None
    """Images a class in the target half, or several such numbers."""
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
    """Where layers are copied from in place of another half: weights, or a dataset on which a base
    is trained here."""

    weights: Name | None = None
    """Trained weights of the architecture: torchvision's name of them, such as IMAGENET1K_V2, or a
    file, .safetensors, .pt or .pth."""
    dataset: sections.Dataset | None = None
    """In place of weights, images on which the source is trained here, with all their classes."""
    recipe: sections.Recipe | None = None
    """What differs from the study's recipe where the source is trained here."""
    image_size: sections.ImageSize | None = None
    """Height and width in pixels that the weights were trained for. null for what torchvision or
    the file declares."""
    interpolation: Literal["bilinear", "bicubic"] | None = None
    """How images are resized for these weights; null for what torchvision declares."""
    mean: Annotated[list[sections.Share], Field(min_length=3, max_length=3)] | None = None
    """Mean of each channel, on the scale from 0 to 1, by which the weights want their images
    normalised; null for what torchvision or the file declares."""
    std: Annotated[list[sections.PositiveNumber], Field(min_length=3, max_length=3)] | None = None
    """Std of each channel, on the same scale."""
    overlap: Literal["unknown", "none", "classes", "images"] = "unknown"
    """Whether the source was trained on classes, or on images, of the study's dataset. METHODS says
    it."""
    group: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{2,}$")] | None = None
    """A name, of two or more letters, digits, - and _, that sources of one kind share, such as
    several trainings of one network. The decision and effects whose controls copy the source then
    have intervals over its sources, too."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Source":
        if (self.weights is None) == (self.dataset is None):
            raise ValueError("it needs either weights or dataset, and one of them alone")
        declared = ("image_size", "interpolation", "mean", "std")
        if self.dataset and (given := [key for key in declared if getattr(self, key) is not None]):
            raise ValueError(
                f"{given[0]} belongs to weights; a source that is trained here sees images as its "
                "dataset says"
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
    """Files of each figure; svg, which the report shows, is always among them."""
    width: sections.either(Literal["page", "column", "slide"], sections.number(ge=40, le=2000)) = (
        "page"
    )
    """page (178 mm), column (88), slide (300), or millimetres. page is both columns of a paper,
    column one of them. A figure of several panels side by side that has no room is made smaller."""
    font_size: sections.number(ge=3, le=100) | None = None
    """Of most letters, in points, null for 8, on a slide 14."""
    theme: Literal["light", "dark"] = "light"
    """Dark letters on a light ground, or light ones on a dark ground."""
    labels: dict[Word, Name] = {}
    """Other words in figures, such as {"selffer, frozen": control}. They replace the figures' own,
    the names of treatments and effects."""


class StudyConfig(Section):
    """One complete experiment: dataset, splits, seeds, networks, architecture and recipe."""

    study: Annotated[str, Field(pattern=STUDY_NAME)] = "glyphs"
    """Its results lie in results/<study>. The name is of letters, digits, - and _."""
    dataset: sections.Dataset = Field(default_factory=sections.Glyphs)
    """The images; source says where they come from, the other keys depend on it."""
    splits: Splits | None = None
    """How the classes are split into halves A and B. Without sources, null stands for one random
    split."""
    sources: dict[Letter, Source] = {}
    """In place of splits, where layers are copied from, by a letter from C to Z but R and S; B is
    then the whole dataset."""
    seeds: FullSet[Natural] = [0]
    """Each split is trained once per seed; a (split, seed) is one replicate."""
    targets: FullSet[Half] = ["B"]
    """The halves on which treatments are trained."""
    layers: sections.either(Literal["all"], FullSet[Natural]) = "all"
    """n, how many layers are copied; all for every one that the architecture has. n = 0 copies
    nothing and measures the noise of training."""
    treatments: FullSet[Literal[*TREATMENTS]] = [
        *("selffer", "selffer+", "transfer", "transfer+", "random"),
    ]
    """BnB, BnB+, AnB, AnB+, RnB and more. selffer (BnB) and transfer (AnB) freeze the copied
    layers, with + they learn (BnB+, AnB+); random (RnB) freezes layers that never learned, with
    batch normalisation that changes nothing; shuffled (sAnB, sAnB+) permutes the values inside each
    copied tensor; reestimated (AnB~) takes batch-norm statistics of frozen layers from B; partial
    (A7fnB) and selffer_partial (B7fnB) copy all layers but the last and freeze the first n."""
    controls: Set[Literal["baseB", "B0B", "long_base"]] = ["baseB", "B0B", "long_base"]
    """Networks that are trained from new layers for comparison. baseB is trained in any case where
    layers are copied from it; B0B where n = 0 is among layers; long_base is base2B, with twice the
    epochs, the control for the extra training that fine-tuned networks get."""
    target_sizes: FullSet[AllOrNumber] = ["all"]
    """Images a class in the target half, all or a number; with a number networks are named
    A3B+@100. Epochs stay as they are, so fewer images mean fewer steps; an override gives them more
    epochs."""
    architecture: sections.Architecture = Field(default_factory=sections.Small)
    """The network; name says which, the other keys depend on it. small and caffenet are the paper's
    shape at a small size and as it was; torchvision has many; custom is a function of yours. A text
    my_module:build stands for {name: custom, build: my_module:build}."""
    recipe: sections.Recipe = Field(default_factory=sections.Recipe)
    """How each network is trained."""
    overrides: list[Override] = Field(
        default=[], examples=[{"where": {"n": 3, "kind": "transfer"}, "recipe": {"epochs": 24}}]
    )
    """Other recipes for some of the networks; where says which (all its keys must match), recipe
    names the keys that differ."""
    omit: list[Where] = Field(default=[], examples=[{"network": "A3B+", "split": "random0"}])
    """Networks that are left out, such as one whose training fails; each item says which, like the
    where of an override. The tables list them without numbers, and effects that need them rest on
    the other replicates, or are absent."""
    search: sections.Search | None = Field(
        default=None,
        examples=[{"learning_rate": [0.01, 0.03, 0.1], "copied_learning_rate": [0.1, 0.3, 1]}],
    )
    """Learning rates to choose from. Each control and treatment is trained with each of them, and
    the best on one half of the validation images is taken, in each split and seed; its top-1 in the
    tables is on the other half. What is copied is trained by the recipe; null for no search."""
    score: Literal["final", "mean_of_10_best"] = "final"
    """A network's top-1 in the tables; final is its last evaluation, mean_of_10_best the mean of
    its ten best evaluations, the score of the 2014 paper."""
    margin: sections.number(gt=0, lt=1) = 0.01
    """A loss of top-1 that counts as none. Findings say for which n the loss is smaller than it."""
    keep_weights: Literal["bases", "all"] = "bases"
    """Whose weights are kept; those of the bases always are."""
    reference: Literal["none", "yosinski2014"] = "none"
    """Published effects that the figure of effects shows faintly behind the study's own."""
    probes: sections.Probes | None = None
    """Cheap scores of layers and how well they predict, as {images: 5000}; null or off for none."""
    hours: sections.PositiveNumber = 1
    """What a base takes at most, as far as you know. A cluster is asked for it until a base's own
    time is known; it changes nothing that is trained."""
    figures: Figures = Field(default_factory=Figures)
    """How figures look; a change draws them again, and trains nothing."""
    layer_names: list[str] | None = None
    """The architecture's layers, from input to output. They are filled in when the study is read,
    for those who read it later without the architecture's code."""

    @model_validator(mode="after")
    def _has_splits_or_sources(self) -> "StudyConfig":
        if not self.sources:
            self.splits = self.splits or Splits()
        elif self.splits:
            raise ValueError(
                "splits and sources exclude each other; with sources, B is the whole dataset"
            )
        elif self.targets != ["B"]:
            raise ValueError("targets: with sources, B is the only target; leave targets out")
        return self

    @field_validator("study")
    @classmethod
    def _is_free(cls, study: str) -> str:
        if study == PUBLISHED:
            raise ValueError(f"{study} is where the published results lie; choose another name")
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
# A study names only the keys that it changes; all others have their defaults. This file lists every
# key with its default, except splits.random (default: 1) and layers (default: all).
# workflow/schemas/study.schema.yaml describes each key at length, and those of the other sources
# and architectures.
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
        yield from (f"# - {_flow(example)}" for example in field.examples or [])


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
