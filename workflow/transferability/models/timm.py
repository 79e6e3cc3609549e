"""A model of timm, of the families that `timm_cuts` cuts into layers: ResNet, EfficientNet,
ConvNeXt and VisionTransformer. timm is an extra, `pip install transferability[timm]`.

A study that names one builds it when it is read. Layers start as timm's constructors leave them;
pretrained weights are read from a file, e.g. the model.safetensors that timm's models have on
huggingface.co.
"""

from types import ModuleType

from transferability.models import ArchitectureInfo


def info(settings: dict, image_size: int) -> ArchitectureInfo:
    """The names of the layers, which are tried.

    Raises ValueError, naming `architecture.model`, if timm is not installed, has no such model, or
    one that cannot be cut into layers or take images of this size.
    """
    return ArchitectureInfo(_cuts().checked(settings["model"], image_size), smallest_image=1)


def build(settings: dict, image_size: int, classes: int) -> list:
    """The layers, (name, module) from input to output; input N×3×image_size×image_size, output
    N×classes. Raises ValueError as `info` does."""
    return _cuts().cut(_cuts().make(settings["model"], classes, image_size))


def original_names(settings: dict, image_size: int) -> dict[str, str]:
    """Of each parameter and buffer of the layers, the name that it has in timm's model."""
    from transferability.models import torchvision_cuts

    model = _cuts().make(settings["model"], 2, image_size)
    return torchvision_cuts.original_names(model, _cuts().cut(model))


def fitted(settings: dict, image_size: int, tensors: dict) -> tuple[dict, list[str]]:
    """The tensors of a file, by timm's names, for images of this size, and what was changed for
    it: positional embeddings, which are interpolated."""
    return _cuts().fitted(_cuts().make(settings["model"], 2, image_size), tensors)


def _cuts() -> ModuleType:
    try:
        from transferability.models import timm_cuts
    except ModuleNotFoundError as error:
        raise ValueError(
            f"architecture.name: timm needs a package that is not installed ({error.name}); "
            "`uv sync --extra timm` or `pip install timm` brings it"
        ) from error
    return timm_cuts
