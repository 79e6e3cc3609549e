"""Weights from a file into the layers of an architecture: all of them, or an error.

No code in a file is ever run: .safetensors cannot contain code, and from a pickle torch reads only
tensors (`weights_only`).
"""

import hashlib
import io
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from torch import nn

from transferability import models

WRAPPERS = ("state_dict", "model")
PREFIXES = ("module.", "model.", "backbone.", "encoder.")
SUFFIXES = (".safetensors", ".pt", ".pth")
MOST_LINES = 10
"""An error lists at most this number of tensors that do not fit, and counts the others."""
CLASSES = 2
"""Any number of classes gives the same shapes, except in the last layer, which is never copied."""


class LoadingError(ValueError):
    """Weights that cannot be read or do not fit; the message names the file and a remedy."""


class Loaded(NamedTuple):
    """The tensors of all layers except the last, by the layers' names, and how they were found.

    `names`: "layers" or "original", whose names the file uses. `wrapper` and `prefix` were removed
    from these. `left_out`: modules of the file that are in no layer. `changes`: conversions.
    """

    tensors: dict[str, torch.Tensor]
    sha256: str
    names: str
    wrapper: str
    prefix: str
    left_out: list[str]
    changes: list[str]


def load(path: Path, architecture: Mapping, image_size: int) -> Loaded:
    """The weights of a file for the layers of an architecture, except the last layer.

    The names in the file may be those of the layers, as this project writes them, or those of the
    original model, if the architecture has one. Raises LoadingError if the file cannot be read, or
    if a tensor is missing, has another shape or kind, is not finite, or belongs to no layer.
    """
    held, wrapper, digest = read(path)
    module = models.module(architecture["name"])
    network = nn.Sequential(OrderedDict(module.build(architecture, image_size, CLASSES)))
    tables = {"layers": {name: name for name in network.state_dict()}}
    if hasattr(module, "original_names"):
        tables["original"] = module.original_names(architecture, image_size)

    def hits(names: str, prefix: str) -> tuple[int, int]:
        # If two prefixes match equally many names, the shorter one is used.
        return sum(prefix + name in held for name in tables[names].values()), -len(prefix)

    ways = [(names, prefix) for names in tables for prefix in _prefixes(held)]
    names, prefix = max(ways, key=lambda way: hits(*way))
    table, changes = tables[names], []
    found = {name[len(prefix) :]: t for name, t in held.items() if name.startswith(prefix)}
    if names == "original":
        given, found = found, module.fitted(architecture, image_size, found)
        changes = [
            f"{name}: interpolated from {given[name].shape[1] - 1} patches to {t.shape[1] - 1}"
            for name, t in found.items()
            if name in given and t.shape != given[name].shape
        ]
    expected = network[:-1].state_dict()
    for name in expected:
        # Old versions of torch did not save it. It is only read if the momentum is None.
        if name.endswith("num_batches_tracked"):
            found.setdefault(table[name], expected[name])
    faults = [
        f"layer {name.partition('.')[0]}, {prefix}{table[name]}: {fault}"
        for name, wanted in expected.items()
        if (fault := _fault(found.get(table[name]), wanted))
    ]
    # An original model's file may have more modules, such as other classifiers. The modules from
    # which the layers are made must be used completely.
    modules = {original.partition(".")[0] for original in table.values()}
    for name in sorted(found.keys() - set(table.values())):
        is_foreign = names == "layers" or name.partition(".")[0] in modules
        if is_foreign and not name.endswith("num_batches_tracked"):
            faults.append(f"{prefix}{name}: expected none, found {_shape(found[name])}")
    if faults:
        kind = architecture.get("model") or architecture.get("build") or architecture["name"]
        lines = [
            f"{path}: does not match the layers of {kind}: {len(faults):,} tensors are missing, "
            f"have another shape, are not finite or belong to no layer; nothing was loaded. Its "
            f"first names are {', '.join(list(held)[:3])}",
            *faults[:MOST_LINES],
            *([f"and {len(faults) - MOST_LINES:,} more"] if len(faults) > MOST_LINES else []),
        ]
        raise LoadingError("\n  ".join(lines))
    tensors = {}
    for name, wanted in expected.items():
        tensor = found.pop(table[name]).detach()
        tensors[name] = torch.empty_like(wanted).copy_(tensor)
        if tensor.dtype != wanted.dtype:
            changes.append(f"{table[name]}: from {tensor.dtype} to {wanted.dtype}")
    others = [name for name in held if not name.startswith(prefix)]
    left_out = sorted({name.partition(".")[0] for name in [*found, *others]})
    return Loaded(tensors, digest, names, wrapper, prefix, left_out, changes)


def read(path: Path) -> tuple[dict[str, torch.Tensor], str, str]:
    """The tensors of a file by their names, on the CPU; the key of the dict that contained them, or
    ""; the sha256 of the file.

    Raises LoadingError if this is not a file of tensors, or if reading it needs code to run.
    """
    if path.suffix not in SUFFIXES:
        raise LoadingError(f"{path}: has no known suffix; expected {' or '.join(SUFFIXES)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LoadingError(f"{path}: cannot be read ({error.strerror}); expected a file") from error
    try:
        if path.suffix == ".safetensors":
            held: object = safetensors.torch.load(content)
        else:
            held = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    # With a damaged file, these functions raise errors of almost any class.
    except Exception as error:
        raise LoadingError(f"{path}: {_why_not(str(error))}") from error
    outer = held if isinstance(held, Mapping) else {}
    wrapper = next((key for key in WRAPPERS if isinstance(outer.get(key), Mapping)), "")
    named = (outer[wrapper] if wrapper else outer).items()
    tensors = {str(name): value for name, value in named if isinstance(value, torch.Tensor)}
    if not tensors:
        keys = ", ".join(str(name) for name, _ in list(named)[:MOST_LINES])
        raise LoadingError(
            f"{path}: holds no named tensors, but {keys or type(held).__name__}; expected a state "
            "dict, by itself or under the key state_dict or model"
        )
    return tensors, wrapper, hashlib.sha256(content).hexdigest()


def _why_not(error: str) -> str:
    """Why safetensors or torch cannot read a file, with a remedy."""
    if found := re.search(r"GLOBAL ([\w.]+)|TorchScript", error):
        return (
            f"holds more than tensors ({found[1] or found[0]}), which needs code to run; nothing "
            "was run. If you trust the file, load it yourself and save only its state_dict(), "
            "with safetensors.torch.save_file"
        )
    # Cut off: before this text, torch advises how to run the code in a file.
    reason = error.rpartition("trusted source.")[2].partition("Check the documentation")[0]
    return (
        "cannot be read: it is damaged, empty, or not a file of weights but e.g. a web page or a "
        f"pointer that `git lfs pull` replaces ({' '.join(reason.split())[:200]}); get it again"
    )


def _prefixes(names: Mapping) -> list[str]:
    """All combinations of PREFIXES with which any name begins, the empty one first."""
    found = [""]
    for prefix in found:
        longer = [prefix + more for more in PREFIXES]
        found += [more for more in longer if any(name.startswith(more) for name in names)]
    return found


def _fault(tensor: torch.Tensor | None, wanted: torch.Tensor) -> str:
    """The fault of the tensor that was found; empty if it has none."""
    if tensor is None:
        return f"expected {_shape(wanted)}, found none"
    if tensor.shape != wanted.shape:
        return f"expected {_shape(wanted)}, found {_shape(tensor)}"
    is_plain = tensor.layout is torch.strided and not tensor.is_meta
    if not is_plain or tensor.is_floating_point() != wanted.is_floating_point():
        found = f"{tensor.dtype} ({tensor.layout}, {tensor.device})"
        return f"expected {wanted.dtype}, found {found}"
    if count := int((~tensor.isfinite()).sum()):
        return f"expected finite values, found {count} that are not, of {tensor.numel()}"
    return ""


def _shape(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"
