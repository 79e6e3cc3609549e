"""The sections of a study file that describe images, network and training, key by key.

Only this file and schema.py define types, bounds, defaults and descriptions of keys. The first
sentence of a description is the comment in config.yaml.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar, Union, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, WrapValidator

KIND_TAG, OTHER_TAG = "<of that kind>", "<other>"
"""Forms of a value, as the location of an error names them: in <>, unlike keys."""

T = TypeVar("T")


def number(**bounds: float) -> Any:
    """The type of a finite number, which stays a whole number where it is written as one."""

    def as_written(value: object, check: Callable) -> object:
        check(value)
        return value

    return Annotated[float, Field(**bounds), WrapValidator(as_written)]


def either(of_kind: Any, other: Any, kind: type = str) -> Any:
    """The type of a value with two forms: one for texts (or another kind), one for the rest."""
    return Annotated[
        Annotated[of_kind, Tag(KIND_TAG)] | Annotated[other, Tag(OTHER_TAG)],
        Discriminator(lambda value: KIND_TAG if isinstance(value, kind) else OTHER_TAG),
    ]


def chosen_by(key: str, default: "type[Section]", *others: "type[Section]") -> Any:
    """The type of a section whose key says which of these it is."""

    def tag(section: object) -> str | None:
        if isinstance(section, dict):
            return f"<{section.get(key, default.model_fields[key].default)}>"
        return f"<{getattr(section, key)}>" if isinstance(section, Section) else None

    names = {get_args(model.model_fields[key].annotation)[0]: model for model in (default, *others)}
    tagged = [Annotated[model, Tag(f"<{name}>")] for name, model in names.items()]
    return Annotated[Union[tuple(tagged)], Discriminator(tag)]  # noqa: UP007


def _each_once(values: list) -> list:
    if any(value in values[:i] for i, value in enumerate(values)):
        raise ValueError(f"{json.dumps(values)} names a value twice; name each once")
    return values


def _has_one_crop(augment: list[str]) -> list[str]:
    if {"crop", "random_resized_crop"} <= set(augment):
        raise ValueError(
            "crop and random_resized_crop both choose the part of the image that is seen; name "
            "one of them"
        )
    return augment


Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
PositiveNumber, Share, Fraction = number(gt=0), number(ge=0, lt=1), number(gt=0, lt=1)
Set = Annotated[list[T], Field(json_schema_extra={"uniqueItems": True}), AfterValidator(_each_once)]
FullSet = Annotated[Set[T], Field(min_length=1)]
OneOrMore = either(Annotated[list[T], Field(min_length=1)], T, kind=list)
ImageSize = Annotated[int, Field(ge=8, le=1024, description="Height and width in pixels.")]


class Section(BaseModel):
    """A part of a study, strictly read: without other keys, and 64.0 is not a whole number."""

    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Glyphs(Section):
    """Unicode characters drawn from the DejaVu typefaces."""

    source: Literal["glyphs"] = "glyphs"
    """glyphs | digits | folder | torchvision | imagenet"""
    classes: Annotated[int, Field(ge=2, le=1400)] = 60
    """Number of characters. Half of them are letters and half symbols, if there are enough."""
    symbols: Natural | None = None
    """Number of symbols among the characters, the others being letters; null for half."""
    images_per_class: Positive = 100
    """Training images of each class."""
    validation_images_per_class: Positive = 50
    """Validation images of each class, in typefaces that do not occur in training."""
    image_size: Annotated[int, Field(ge=12, le=1024)] = 20
    """Height and width in pixels."""
    seed: Natural = 0
    """Decides which characters are drawn, and how."""


class Digits(Section):
    """The 1,797 handwritten digits of scikit-learn."""

    source: Literal["digits"]
    image_size: ImageSize = 8
    validation: Fraction = 0.25
    """Share of the images of each class that is held back for validation."""
    seed: Natural = 0
    """Decides which images are held back."""


class Photos(Section):
    image_size: ImageSize = 64
    resize: Literal["crop", "warp"] = "crop"
    """How an image becomes a square; crop cuts out the largest central square, warp changes height
    and width independently, as in 2014."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    """How an image is resized. bicubic suits pretrained weights that were trained with it."""
    on_bad_image: Literal["error", "skip"] = "error"
    """What to do with damaged images; error stops after all images are read and lists the damaged
    ones, skip leaves them out."""
    on_duplicate: Literal["keep", "skip"] = "keep"
    """What to do with images that have the same pixels; skip keeps the first of them, a training
    image before a validation image. In both cases they are counted and listed."""


class HeldBack(Section):
    validation: Fraction = 0.2
    """Share of the images of each class that is held back for validation, unless the images are
    already split."""
    groups: str | None = None
    """CSV file with the columns class and group and a row for each class, for splits.dissimilar;
    null for none."""
    seed: Natural = 0
    """Decides which images are held back."""


class Folder(Photos, HeldBack):
    """A user's own images, in train/<class>/ and validation/<class>/, or only in <class>/."""

    source: Literal["folder"]
    path: Name
    """The folder. If its images change later, this is not noticed; rename it then."""


class Torchvision(Photos, HeldBack):
    """A dataset of torchvision whose items are an image and one label."""

    source: Literal["torchvision"]
    name: Name
    """Its name in torchvision.datasets, such as CIFAR100."""
    root: Name = "data"
    """The folder in which torchvision keeps its data; with download: true it must be inside the
    folder of the run."""
    download: bool = True
    """Whether torchvision may download missing data."""
    image_size: ImageSize = 32


class ImageNet(Photos):
    """ILSVRC-2012, in train/<wnid>/ and val/<wnid>/."""

    source: Literal["imagenet"]
    path: Name
    """The folder that holds train and val."""
    image_size: ImageSize = 256
    resize: Literal["crop", "warp"] = Field(
        "warp", description=Photos.model_fields["resize"].description
    )


Dataset = chosen_by("source", Glyphs, Digits, Folder, Torchvision, ImageNet)


class Small(Section):
    """The paper's five convolutions and three fully connected layers at a small size."""

    name: Literal["small"] = "small"
    """small | caffenet | torchvision | timm | custom"""
    channels: Annotated[list[Positive], Field(min_length=5, max_length=5)] = [16, 32, 48, 48, 32]
    """Channels of the five convolutions."""
    units: Annotated[list[Positive], Field(min_length=2, max_length=2)] = [128, 128]
    """Units of the first two fully connected layers. The third has one per class."""
    batch_norm: bool = False
    """Whether batch normalisation follows each layer but the last."""
    dropout: Share = 0.0
    """Share of units dropped in training, in the first two fully connected layers."""


class CaffeNet(Section):
    """The network of the 2014 paper, for 227 × 227 pixels; its keys change it."""

    name: Literal["caffenet"]
    width: PositiveNumber = 1.0
    """Channels and units, as a multiple of the paper's, rounded to even numbers."""
    stem: Literal["paper", "small"] = "paper"
    """The first convolution. paper is 11 × 11 with stride 4; small is 5 × 5 with stride 1, for
    images of about 64 × 64 pixels, and gives feature maps about as large as in the paper."""
    initialisation: Literal["paper", "he"] = "paper"
    """How weights are initialised. paper uses std 0.01 (0.005 in fc6 and fc7) and sets some biases
    to 1, which suits the paper's width and mean_image; he follows He et al. (2015), which suits
    other widths and images normalised by channels."""


class TorchvisionModel(Section):
    """A classification model of torchvision, with new weights; each block counts as one layer."""

    name: Literal["torchvision"]
    model: str = "resnet18"
    """Its name in torchvision, such as resnet18, vgg11_bn, convnext_tiny or vit_b_16."""


class TimmModel(Section):
    """A model of timm, which must be installed, with new weights; each block counts as one layer.
    Supported are ResNet, EfficientNet, ConvNeXt and VisionTransformer."""

    name: Literal["timm"]
    model: str = "resnet18"
    """Its name in timm, such as resnet18, vit_small_patch16_224, convnext_tiny or
    efficientnet_lite0."""


class Custom(Section):
    """Your own architecture. The study names code that runs when the study is read and in each
    training: name only code that you trust, and check this section before you run the study of
    someone else."""

    name: Literal["custom"]
    build: str
    """A function, such as my_module:build, found in the folder of the run or through PYTHONPATH;
    build(image_size, classes) returns a list of (name, module), the layers from input to output. An
    edit of its module, or of a module beside it that it imports, trains all networks again; an edit
    of a file that these modules read does not."""
    arguments: dict[str, Any] = {}
    """Further arguments of build, by name."""


Architecture = chosen_by("name", Small, CaffeNet, TorchvisionModel, TimmModel, Custom)


class Recipe(Section):
    epochs: Positive = 10
    """Passes over the training images of the target half. Images that do not fill the last batch of
    a pass are left out, other ones each time; a long base makes twice as many passes."""
    iterations: Positive | None = None
    """Total number of steps, instead of epochs. Each step uses batch_size images, and
    evaluate_every counts steps too. A long base makes twice as many; null to use epochs."""
    evaluate_every: Positive = 2
    """Epochs (steps, if iterations is given) between two evaluations. There is always one at the
    end of training."""
    batch_size: Positive = 64
    """Images per step."""
    micro_batch: Positive | None = None
    """Images processed at once, if a whole batch does not fit into memory. Gradients are added up,
    so a step still uses batch_size images, but batch normalisation sees only the images of a
    micro-batch; null for the whole batch."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """Stochastic gradient descent with momentum, or AdamW."""
    nesterov: bool = True
    """Whether sgd uses Nesterov momentum; adamw ignores it."""
    momentum: Share = 0.9
    """Momentum of sgd, or the first beta of adamw (its second is 0.999)."""
    learning_rate: PositiveNumber = 0.03
    """Highest learning rate of the schedule."""
    weight_decay: number(ge=0) = 0.0005
    """L2 penalty on weights (decoupled in adamw). It does not apply to biases and normalisation
    unless decay_biases is true."""
    decay_biases: bool = False
    """Whether weight decay also applies to biases and normalisation."""
    bias_learning_rate: PositiveNumber = 1.0
    """The learning rate of biases, as a multiple of that of weights. It is 2 in the 2014 paper."""
    copied_learning_rate: number(ge=0) = 1.0
    """The learning rate of copied layers, as a multiple of that of new ones. With 0 only their
    batch-norm statistics change. This key and the next two apply only to networks whose copied
    layers are trained (AnB+, BnB+); a change trains no other network again."""
    layer_decay: number(gt=0, le=1) = 1.0
    """Multiplies the learning rate of a copied layer once for each layer above it. For layer
    i of L (the first is 0, the head L - 1) this is layer_decay ** (L - 1 - i), as in timm; unlike
    in timm, new layers below the head have the rate of the head."""
    probe_epochs: Natural = 0
    """First epochs, in which only new layers are trained. This is linear probing, then fine-tuning,
    with one schedule for both; until then, copied layers and their batch-norm statistics do not
    change."""
    schedule: Literal["cosine", "step"] = "cosine"
    """After the warm-up the learning rate falls to zero along a cosine, or by step_factor at each
    of step_at."""
    step_at: Set[Fraction] = [0.5, 0.75]
    """When the step schedule changes the learning rate, as shares of all steps. It multiplies the
    rate by step_factor."""
    step_factor: PositiveNumber = 0.1
    """What the step schedule multiplies the learning rate by."""
    warmup: Share = 0.1
    """Share of all steps in which the learning rate rises from zero."""
    clip_gradient_norm: PositiveNumber | None = 5.0
    """Largest norm of the gradient of all weights; a larger gradient is scaled down to it, so that
    one bad step does not ruin a network. null for no limit, as in the 2014 paper."""
    label_smoothing: Share = 0.0
    """Share of each label that is spread over all classes. It applies in training, not to losses of
    validation images."""
    normalise: Literal["channels", "target", "mean_image", "none"] = "channels"
    """How pixel values (0 to 255) are normalised. channels gives each channel mean 0 and std 1, and
    mean_image subtracts the mean image, as in 2014. Both use the training images of the half on
    which the first layers were trained, for AnB and AnB+ the source half; in a study with sources,
    all networks use the source's. target is like channels, but uses the network's own training
    images; none changes nothing."""
    crop: Positive | None = None
    """Height and width in pixels of the part of an image that the network sees. In training it is a
    random part if augment contains crop, otherwise the central one; null for the whole image."""
    augment: Annotated[
        Set[Literal["crop", "horizontal_flip", "random_resized_crop", "colour_jitter"]],
        AfterValidator(_has_one_crop),
    ] = []
    """Random changes of the training images, new in each epoch. crop takes a random part of the
    size that the key crop gives, or without that key shifts the image by up to an eighth;
    horizontal_flip flips half of the images left to right; random_resized_crop, instead of crop,
    takes 8 to 100 % of the area at a ratio of 3/4 to 4/3 and resizes it; colour_jitter changes
    brightness, contrast and saturation by up to 40 %."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Precision of multiplications; auto is bf16 if the processor or GPU is fast at it, otherwise
    fp32. Weights are always fp32."""
    deterministic: bool = False
    """Whether repeated trainings on a GPU give the same bits. This is slower, and operations that
    cannot do it are refused. On a CPU they always give the same bits."""
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    """Where to train; auto is CUDA if available, otherwise Apple's MPS, otherwise the CPU."""
    gpus: Positive = 1
    """GPUs of one machine that train a network together, each with a part of every batch. Batch
    normalisation and the optimizer see the whole batch, and micro_batch counts the images of all
    GPUs, so results differ only by rounding and, with dropout, by its masks. A change trains
    nothing again. On a CPU, it is the number of processes."""


class Search(Section):
    learning_rate: FullSet[PositiveNumber] | None = None
    """Values of recipe.learning_rate to try, including the recipe's own; null for only that one."""
    copied_learning_rate: FullSet[number(ge=0)] | None = None
    """Values of recipe.copied_learning_rate to try, including the recipe's own; null for only that
    one. They are tried for networks whose copied layers are trained."""


class Probes(Section):
    images: Annotated[int, Field(ge=100)] = 5000
    """Most training images on which scores are fitted, and most validation images on which they are
    tested. If there are more, they are drawn at random."""
