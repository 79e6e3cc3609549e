"""How the networks were trained: architecture, input, recipe, and what some did otherwise."""

from transferability import models
from transferability.analysis.vocabulary import listed
from transferability.models import measures
from transferability.reports.methods.sources import Sources, number, percent, several, times
from transferability.study import design

ARCHITECTURES = {
    "small": "a small network of five convolutions and three fully connected layers",
    "caffenet": "CaffeNet, the network of the 2014 paper",
    "torchvision": "torchvision's {model}, with new weights, each of its blocks counting as a "
    "layer",
    "own": "the network that `{build}` builds",
}
NORMALISED = {
    "channels": "Pixels were normalised to mean 0 and standard deviation 1 in each channel, by the "
    "training images of the target half.",
    "mean_image": "The mean image of the training images of the target half was subtracted.",
    "none": "Pixels, from 0 to 255, were not normalised.",
}
AUGMENTED = {
    "crop": "random crops",
    "horizontal_flip": "random mirror images",
    "random_resized_crop": "random resized crops",
    "colour_jitter": "random changes of brightness, contrast and saturation",
}
OPTIMIZERS = {
    ("sgd", True): "stochastic gradient descent with a Nesterov momentum of {momentum:g}",
    ("sgd", False): "stochastic gradient descent with a momentum of {momentum:g}",
    ("adamw", True): "AdamW with a first beta of {momentum:g}",
    ("adamw", False): "AdamW with a first beta of {momentum:g}",
}


def paragraphs(sources: Sources) -> list[str]:
    """The architecture and the recipe, in three paragraphs."""
    recipe = sources.study["recipe"]
    return [
        f"{_architecture(sources)} {_input(sources.study)}",
        f"{_steps(recipe)} {_learning_rate(recipe)} {_loss(recipe)} {_streams()}",
        _exceptions(sources.study),
    ]


def _architecture(sources: Sources) -> str:
    settings, pixels = sources.study["architecture"], design.input_size(sources.study)
    classes = next(iter(sources.metrics.values()))["classes"]
    built = models.module(settings["name"]).build(settings, pixels, classes)
    parameters = sum(layer.parameters for layer in measures.measured(built, pixels))
    names = listed(name for name, _ in built)
    said = ", ".join([ARCHITECTURES[settings["name"]].format(**settings), *_variant(settings)])
    return (
        f"The architecture was {said}. It has {several(len(built), 'layer')} with "
        f"parameters ({names}), and {parameters:,} parameters where it tells "
        f"{several(classes, 'class')} apart."
    )


def _variant(settings: dict) -> list[str]:
    """What the settings of an architecture of this project make of it."""
    said = []
    if settings["name"] == "small":
        channels, units = (listed(map(str, settings[key])) for key in ("channels", "units"))
        said.append(f"with {channels} channels and {units} units")
        if settings["batch_norm"]:
            said.append("with batch normalisation")
        if settings["dropout"]:
            said.append(f"with dropout of {percent(settings['dropout'])} of the units")
    elif settings["name"] == "caffenet":
        if settings["width"] != 1:
            said.append(f"at {settings['width']:g} times its width")
        if settings["stem"] == "small":
            said.append("with a first convolution for small images")
        he = settings["initialisation"] == "he"
        said.append(f"initialised as in {'He et al. (2015)' if he else 'that paper'}")
    return said


def _input(checked: dict) -> str:
    recipe, pixels = checked["recipe"], design.input_size(checked)
    said = f"Its input was {pixels} × {pixels} pixels"
    said += ", cropped from the stored images. " if recipe["crop"] else ". "
    said += NORMALISED[recipe["normalise"]]
    if recipe["augment"]:
        said += (
            f" Training images were augmented by {listed(map(AUGMENTED.get, recipe['augment']))}."
        )
    return said


def _steps(recipe: dict) -> str:
    length = several(recipe["iterations"] or recipe["epochs"], _unit(recipe))
    optimizer = OPTIMIZERS[recipe["optimizer"], recipe["nesterov"]].format(**recipe)
    decay = f"a weight decay of {number(recipe['weight_decay'])} on weights"
    decay += " and biases" if recipe["decay_biases"] else " but not on biases or normalisation"
    return (
        f"Networks were trained for {length} by {optimizer}, in batches of "
        f"{several(recipe['batch_size'], 'image')}, with "
        f"{decay if recipe['weight_decay'] else 'no weight decay'}."
    )


def _learning_rate(recipe: dict) -> str:
    highest = f"{recipe['learning_rate']:g}"
    said = f"The learning rate started at {highest}, and then "
    if recipe["warmup"]:
        said = f"The learning rate rose to {highest} in the first {percent(recipe['warmup'])} of "
        said += "the steps, and then "
    if recipe["schedule"] == "cosine":
        said += "fell to zero along a cosine."
    elif recipe["step_at"]:
        at = listed(map(percent, recipe["step_at"]))
        said += f"was multiplied by {recipe['step_factor']:g} after {at} of the steps."
    else:
        said += "stayed the same."
    if recipe["bias_learning_rate"] != 1:
        said += f" That of biases was {times(recipe['bias_learning_rate'])} as high."
    return said


def _loss(recipe: dict) -> str:
    smoothing = recipe["label_smoothing"]
    labels = f" with a label smoothing of {smoothing:g}" if smoothing else ""
    said = f"The loss was the cross-entropy{labels}."
    evaluations = design.evaluations(recipe)
    return (
        f"{said} By this recipe a network was evaluated {times(evaluations)}, at last at its end."
    )


def _streams() -> str:
    return (
        "All treatments of one split, seed and target half saw the same images in the same order, "
        "and each layer that was initialised anew started from the same values in all of them; "
        "the bases drew from other random numbers. Frozen layers learned nothing: no gradient, "
        "no weight decay, no change of the statistics of batch normalisation."
    )


def _exceptions(checked: dict) -> str:
    """What the recipe of long bases and the study's overrides change."""
    said = []
    if checked["long_base"]:
        recipe = checked["recipe"]
        length = 2 * (recipe["iterations"] or recipe["epochs"])
        said.append(f"Long bases were trained for {several(length, _unit(recipe))}.")
    for override in checked["overrides"]:
        where, changes = (_listed_values(override[part]) for part in ("where", "recipe"))
        said.append(f"For networks with {where}, the recipe differed: {changes}.")
    return " ".join(said)


def _listed_values(section: dict) -> str:
    """The keys of a section with their values: `learning rate 0.01 and augment none`."""
    said = []
    for key, value in section.items():
        values = value if isinstance(value, list) else [value]
        words = [_value(one) for one in values if one is not None]
        said.append(f"{key.replace('_', ' ')} {listed(words) if words else 'none'}")
    return listed(said)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _unit(recipe: dict) -> str:
    return "iteration" if recipe["iterations"] else "epoch"
