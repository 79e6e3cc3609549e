"""Tensors on disk: written completely, verified when read, without code (safetensors)."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from transferability.storage import files


class CheckpointError(ValueError):
    """A file of tensors that cannot be used; the message names the file and the cause."""


def save(
    path: Path | str,
    tensors: Mapping[str, torch.Tensor],
    header: dict,
    check: files.Check = lambda: None,
) -> str:
    """Write named tensors and a header (any JSON) in one step; `check` as for
    `files.atomic_write`.

    Returns the sha256 of both, which is also in the file. Raises OSError, which names the file, if
    it cannot be written; an earlier file is then kept.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    of_storage = {t.untyped_storage().data_ptr(): name for name, t in tensors.items()}
    for name, tensor in tensors.items():
        # safetensors refuses tensors that share memory, e.g. those of a module that is used twice.
        if of_storage[tensor.untyped_storage().data_ptr()] != name:
            tensors[name] = tensor.clone()
    # Not sorted, since a history that is read from the header must be written as the same text.
    text = json.dumps(header)
    digest = _digest(tensors, text)
    # One entry, since safetensors writes several entries in random order.
    write(path, tensors, {"checkpoint": json.dumps({"header": text, "sha256": digest})}, check)
    return digest


def write(
    path: Path | str,
    tensors: Mapping[str, torch.Tensor],
    metadata: Mapping[str, str],
    check: files.Check = lambda: None,
) -> None:
    """Write a safetensors file, completely or not at all. Raises OSError, with the file and its
    size, if the disk is too small."""
    # The names and shapes, which add a few kilobytes, are not counted.
    size = sum(tensor.nbytes for tensor in tensors.values()) + sum(map(len, metadata.values()))
    with files.atomic_write(path, size, check) as temporary:
        try:
            safetensors.torch.save_file(tensors, temporary, metadata)
        except safetensors.SafetensorError as error:
            raise OSError(f"{path}: its {size:,} bytes cannot be written ({error})") from error
        files.share(temporary)


def load(path: Path | str) -> tuple[dict[str, torch.Tensor], dict, str]:
    """The tensors (on the CPU), the header and the sha256 of a file that `save` wrote.

    Raises CheckpointError if it is missing, truncated, or not what was written.
    """
    try:
        # Read once: safetensors opens a path twice, and another process may replace the file
        # between.
        content = Path(path).read_bytes()
        tensors = safetensors.torch.load(content)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        # KeyError: the installed torch does not have this type of numbers.
        raise CheckpointError(f"{path}: cannot be read as safetensors ({error})") from error
    try:
        # The format: eight bytes with the length of a JSON header, which contains the metadata.
        length = int.from_bytes(content[:8], "little")
        entry = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["checkpoint"])
        text, digest = entry["header"], entry["sha256"]
        fits = _digest(tensors, text) == digest
        header = dict(json.loads(text))
    # The metadata may be any JSON, with any depth.
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: has no header and checksum of this project") from error
    if not fits:
        raise CheckpointError(f"{path}: checksum does not match; it changed after it was written")
    return tensors, header, digest


def _digest(tensors: Mapping[str, torch.Tensor], header: str) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
