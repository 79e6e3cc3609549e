"""What was trained on which images: the dataset, its halves, and the networks."""

from collections import Counter

from transferability.analysis.effects import EXCHANGEABLE
from transferability.analysis.vocabulary import layers, listed
from transferability.reports.methods.sources import Sources, between, number, several
from transferability.study import design
from transferability.study.networks import ALL_IMAGES, HALVES

DATASETS = {
    "glyphs": "images of Unicode characters drawn from the DejaVu typefaces, those for validation "
    "in typefaces that do not occur in training",
    "digits": "the handwritten digits that come with scikit-learn",
    "folder": "the images of the folder `{path}`",
    "torchvision": "the images of the dataset {name}, as torchvision provides it",
    "imagenet": "the images of ILSVRC-2012 (ImageNet)",
}
RESIZED = {
    "crop": ", each the largest square in the centre of its original, resized",
    "warp": ", height and width of the originals resized independently",
}
KINDS = {
    ("base", False): "base",
    ("long_base", False): "long base",
    ("selffer", False): "selffer network (BnB)",
    ("selffer", True): "fine-tuned selffer network (BnB+)",
    ("transfer", False): "transfer network (AnB)",
    ("transfer", True): "fine-tuned transfer network (AnB+)",
    ("random", False): "network with random features (RnB)",
}
RETRAINED = "base trained once more (B0B)"


def images(sources: Sources) -> list[str]:
    """The dataset, and how its classes were parted."""
    dataset = sources.study["dataset"]
    size = dataset["image_size"]
    what = DATASETS[dataset["source"]].format(**dataset)
    first = (
        f"The study used {what}. They were stored at {size} × {size} pixels"
        f"{RESIZED.get(dataset.get('resize'), '')}."
    )
    splits = design.split_names(sources.study["splits"])
    parted = f"The classes were parted into two halves, A and B, in {several(len(splits), 'way')}: "
    parted += f"{_ways(splits)}."
    return [f"{first} {parted}{_groups(sources.study)} {_halves(sources)}"]


def _ways(splits: list[str]) -> str:
    ways = {
        "at random": [name for name in splits if name.startswith(EXCHANGEABLE)],
        "into dissimilar classes": [name for name in splits if name == "dissimilar"],
        "into natural and man-made classes": [name for name in splits if name == "natman"],
    }
    return listed(f"{way} ({listed(names)})" for way, names in ways.items() if names)


def _groups(checked: dict) -> str:
    said = ""
    if checked["splits"]["dissimilar"]:
        a, b = (listed(design.as_groups(checked["splits"]["dissimilar"][half])) for half in HALVES)
        said = f" In the dissimilar split, A held the classes called {a}, and B those called {b}."
    published = checked["splits"]["published"]
    if published:
        said += f" Of these, {listed(published)} {'is' if len(published) == 1 else 'are'} as "
        said += "Yosinski et al. (2014) published them."
    return said


def _halves(sources: Sources) -> str:
    """How much the halves hold that networks were trained on."""
    held = sources.of_whole_halves()
    halves = {(split, half) for split, half, _ in held}
    counts = [
        between({metrics[key] for *_, metrics in held}, noun)
        for key, noun in (
            ("classes", "class"),
            ("train_images", "training image"),
            ("validation_images", "validation image"),
        )
    ]
    each = "A half" if len(halves) > 1 else "The half on which networks were trained"
    return f"{each} held {listed(counts)}."


def networks(sources: Sources) -> list[str]:
    """Which kinds of network there are, and how many of each were trained."""
    return [_definitions(sources.study), _numbers(sources)]


def _definitions(checked: dict) -> str:
    treatments = {treatment.removesuffix("+") for treatment in checked["treatments"]}
    said = ["A base was trained on one half from random initialisation."]
    copied = [
        f"from the base of {half} in {kind} networks ({name})"
        for kind, half, name in (
            ("selffer", "the same half", "BnB"),
            ("transfer", "the other half", "AnB"),
        )
        if kind in treatments
    ]
    if copied:
        said.append(
            "In treatments, the first n layers were copied from a base, and the others were "
            f"initialised anew: {listed(copied)}."
        )
        frozen = "The copied layers were kept frozen"
        if any(treatment.endswith("+") for treatment in checked["treatments"]):
            frozen += "; in fine-tuned networks, which have a + in their names, they learned with "
            frozen += "the others"
        said.append(f"{frozen}.")
    if "random" in treatments:
        said.append(
            "In networks with random features (RnB), the first n layers were frozen as they were "
            "initialised."
        )
    if 0 in checked["layers"]:
        said.append("B0B is a base that was trained once more, on the treatments' random numbers.")
    if checked["long_base"]:
        said.append("A long base (base2B) was trained for twice as long as a base.")
    return " ".join(said)


def _numbers(sources: Sources) -> str:
    checked = sources.study
    copied, seeds = [n for n in checked["layers"] if n], checked["seeds"]
    said = [f"The number n of layers was {layers(copied)}."] if copied else []
    said.append(
        f"Treatments were trained on {_targets(checked['targets'])}, with "
        f"{'seed' if len(seeds) == 1 else 'each of the seeds'} {listed(map(str, seeds))} on each "
        f"split, which makes {several(len(design.replicates(checked)), 'replicate')}."
    )
    said += _target_sizes(checked)
    kinds = Counter(
        RETRAINED if one.n == 0 and not one.is_base else KINDS[one.kind, one.fine_tuned]
        for one in sources.networks
    )
    trained = len(sources.networks)
    said.append(
        f"In all, {several(trained, 'network')} {'was' if trained == 1 else 'were'} trained: "
        f"{listed(_of_kind(count, kind) for kind, count in kinds.items())}."
    )
    omitted = len(design.omitted(checked, layer_count=0))
    if omitted:
        said.append(
            f"{several(omitted, 'network').capitalize()} of this design "
            f"{'was' if omitted == 1 else 'were'} left out."
        )
    return " ".join(said)


def _of_kind(count: int, kind: str) -> str:
    """One selffer network (BnB), 7 selffer networks (BnB), 2 bases trained once more (B0B)."""
    for noun in ("network", "base"):
        if count > 1 and noun in kind:
            kind = kind.replace(noun, f"{noun}s", 1)
            break
    return f"{number(count)} {kind}"


def _targets(targets: list[str]) -> str:
    return f"half {targets[0]}" if len(targets) == 1 else f"both halves, {listed(targets)}"


def _target_sizes(checked: dict) -> list[str]:
    sizes = [size for size in checked["target_sizes"] if size != ALL_IMAGES]
    if not sizes:
        return []
    also = "also " if ALL_IMAGES in checked["target_sizes"] else ""
    return [
        f"They were {also}trained on {listed(f'{size:,}' for size in sizes)} training "
        f"{'image' if sizes == [1] else 'images'} of each class of the target half, drawn once for "
        "all networks of a replicate."
    ]
