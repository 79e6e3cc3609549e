"""A trial of a user's network, when a study that names it is read. Two images go forward and
backward, and the weights are copied to a second network, which must then have the same outputs.

This finds layers that cannot be trained, saved or copied before a training starts.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from transferability.models import seeded

IMAGES, CLASSES = 2, 3

Layers = Sequence[tuple[str, nn.Module]]


class TrialError(ValueError):
    """A network that cannot be trained, saved or copied; the message names the layer."""


def check(build: Callable[[int], Layers], image_size: int) -> tuple[str, ...]:
    """Try the network that `build` returns for a number of classes; return its layers' names.

    Raises TrialError, naming the layer, for outputs or weights that a training cannot use.
    """
    with seeded(0):
        layers = build(CLASSES)
    for name, layer in layers:
        _check_state(name, layer)
    images = torch.randn(
        IMAGES, 3, image_size, image_size, generator=torch.Generator().manual_seed(0)
    )
    features = images.clone()
    with seeded(2):
        for name, layer in layers:
            features = outputs(name, layer.train(), features)
    if features.shape != (IMAGES, CLASSES):
        raise TrialError(
            f"layer {name}, the last, gives {shape_text(features.shape)} for {IMAGES} images and "
            f"classes={CLASSES}; expected {IMAGES}×{CLASSES}, one output per class"
        )
    try:
        F.cross_entropy(features, torch.arange(IMAGES)).backward()
    except RuntimeError as error:
        raise TrialError(f"it cannot be trained ({_one_line(error)})") from error
    with seeded(1):
        twins = build(CLASSES)
    with torch.no_grad():
        _check_copies(layers, twins, images)
    return tuple(name for name, _ in layers)


def show_first_input(layers: Layers, image_size: int) -> None:
    """Let lazy modules find their shapes, with one pass through the layers."""
    lazy = nn.modules.lazy.LazyModuleMixin
    if any(isinstance(part, lazy) for _, layer in layers for part in layer.modules()):
        features = torch.zeros(IMAGES, 3, image_size, image_size)
        with torch.no_grad():
            for name, layer in layers:
                features = outputs(name, layer.eval(), features)
                layer.train()


def outputs(name: str, layer: nn.Module, features: torch.Tensor) -> torch.Tensor:
    """The output of a layer. Raises TrialError if the layer fails, or does not return one float
    tensor."""
    shape = shape_text(features.shape[1:])
    try:
        made = layer(features)
    except Exception as error:
        raise TrialError(
            f"layer {name}: it cannot take {shape}, the output of the layer before "
            f"({_one_line(error)})"
        ) from error
    if not isinstance(made, torch.Tensor) or not made.is_floating_point():
        kind = getattr(made, "dtype", None) or f"a {type(made).__name__}"
        raise TrialError(f"layer {name} gives {kind}; each layer takes and gives one float tensor")
    return made


def shape_text(shape: torch.Size) -> str:
    return "×".join(map(str, shape))


def _check_state(name: str, layer: nn.Module) -> None:
    """Raise TrialError if the layer's state cannot be saved, copied or trained in fp32."""
    parameters = dict(layer.named_parameters())
    for key, value in layer.state_dict().items():
        kind = getattr(value, "dtype", None) or type(value).__name__
        if not isinstance(value, torch.Tensor) or (key in parameters and kind != torch.float32):
            raise TrialError(
                f"layer {name}: {key} in its state_dict is {kind}; expected tensors, with float32 "
                "parameters (recipe.precision sets the precision of multiplications)"
            )


def _check_copies(layers: Layers, twins: Layers, features: torch.Tensor) -> None:
    """Raise TrialError unless the twins, built from another seed, have the same outputs after they
    load the weights of the layers."""
    for (name, layer), (twin_name, twin) in zip(layers, twins, strict=True):
        if name != twin_name:
            raise TrialError(f"its layer {name} is called {twin_name} when it is built again")
        try:
            twin.load_state_dict(layer.state_dict())
        except (RuntimeError, KeyError) as error:
            raise TrialError(
                f"layer {name}: it cannot load the weights of another copy ({_one_line(error)})"
            ) from error
        made = []
        for copy in (layer, twin):
            # The same seed for both, in case a layer draws random numbers even in eval mode.
            with seeded(2):
                made.append(outputs(name, copy.eval(), features.clone()))
        if not torch.allclose(*made, rtol=1e-4, atol=1e-5, equal_nan=True):
            raise TrialError(
                f"layer {name}: it contains a value that differs each time the network is built, "
                "but is neither a parameter nor a saved buffer, so it is not copied with the "
                "weights; make it a buffer with self.register_buffer"
            )
        features = made[0]


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
