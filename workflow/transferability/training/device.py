"""Devices, precision and memory, chosen at run time from the abilities of the machine."""

import ctypes
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import torch
from torch import nn

from transferability.training import gpus, processes

SHARE_FOR_IMAGES = 0.5
"""The share of a GPU's free memory that images or features may use; the network needs the rest."""

BYTES_FOR_IMAGES = 2**30
"""The same limit, in bytes, on a CPU. The free memory is a bad guide there: other jobs share it, a
batch system may allow this job far less, and the page cache holds mapped images anyway."""


def choose_device(wanted: str) -> torch.device:
    """The device of that name; auto is CUDA, else Apple's MPS, else the CPU.

    Raises ValueError if the machine does not have the wanted device.
    """
    backends = {"cuda": torch.cuda, "mps": torch.backends.mps, "cpu": torch.cpu}
    available = [name for name, backend in backends.items() if backend.is_available()]
    if wanted == "auto":
        return torch.device(available[0])
    if wanted not in available:
        raise ValueError(
            f"recipe.device: {wanted} is not available, only {', '.join(available)}; "
            "choose one of these, or auto"
        )
    return torch.device(wanted)


@contextmanager
def least_used(device: torch.device) -> Iterator[None]:
    """Inside this context, `cuda` is the GPU on which the fewest trainings of this user run.
    Several processes use consecutive GPUs, one each.

    Raises ValueError if there are fewer GPUs than processes.
    """
    wanted, rank = processes.count(), processes.rank()
    count = torch.cuda.device_count() if device.type == "cuda" else int(device.type == "mps")
    if device.type != "cpu" and wanted > count:
        raise ValueError(
            f"recipe.gpus: {wanted}, but only {count} are available; lower it, or give the job more"
        )
    if count < 2:
        yield
        return
    names = [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
    # The folder of the lock files: one for each user on each machine.
    places = Path(tempfile.gettempdir(), f"transferability-gpus-{os.getuid()}")
    with (
        gpus.taken(names, places, wanted) if rank == 0 else nullcontext(0) as first,
        torch.cuda.device(processes.highest(first) + rank),
    ):
        yield


def choose_precision(wanted: str, device: torch.device) -> str:
    """bf16 or fp32; auto is bf16 if the device multiplies it in hardware (a CPU: with AMX or
    AVX512_BF16). Without this, bf16 saves memory traffic but little time."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and (
            torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
        )
    return "bf16" if fast else "fp32"


def keep_small_maps_in_fp32(network: nn.Module, inputs: torch.Tensor) -> None:
    """On a CPU, let those convolutions compute in fp32 in which part of the kernel covers only
    padding, as with 1×1 maps and a stride of 2. `inputs` is a batch for the network.

    In bf16, torch 2.11 does not write the gradient of that part; its values are then undefined.
    """

    def look(layer: nn.Module, given: tuple, named: dict, made: torch.Tensor) -> None:
        dimensions = len(layer.kernel_size)
        shape = (given[0] if given else named["input"]).shape[-dimensions:]
        if _covers_only_padding(layer, shape, made.shape[-dimensions:]):
            layer.forward = partial(_in_fp32, layer.forward)

    layers = [m for m in network.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d)]
    hooks = [layer.register_forward_hook(look, with_kwargs=True) for layer in layers]
    network(inputs)
    for hook in hooks:
        hook.remove()


def _covers_only_padding(layer: nn.Module, sizes: torch.Size, maps: torch.Size) -> bool:
    """Whether part of the kernel covers only padding, for inputs and outputs of these sizes."""
    reaches = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    of_text = {"valid": [0] * len(sizes), "same": [reach // 2 for reach in reaches]}
    padding = of_text.get(layer.padding, layer.padding)
    for i, (size, count) in enumerate(zip(sizes, maps, strict=True)):
        starts = [layer.stride[i] * place - padding[i] for place in range(count)]
        for at in range(0, reaches[i] + 1, layer.dilation[i]):
            if not any(0 <= start + at < size for start in starts):
                return True
    return False


def _in_fp32(forward: Callable[[torch.Tensor], torch.Tensor], input: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", enabled=False):
        return forward(input.float())


def memory_format(device: torch.device) -> torch.memory_format:
    """The order of images and weights in memory that is fast on a device.

    On Apple's MPS it is torch's default, because gradients of channels-last tensors have been wrong
    there (pytorch issues 107214 and 175189).
    """
    return torch.channels_last if device.type in ("cpu", "cuda") else torch.contiguous_format


def place(network: nn.Module, device: torch.device) -> None:
    """Move a network to a device, the weights of its convolutions in the `memory_format`."""
    network.to(device)
    for tensor in itertools.chain(network.parameters(), network.buffers()):
        # Module.to would also convert tensors of five dimensions, which do not have this format.
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=memory_format(device))


def channels_first(images: torch.Tensor) -> torch.Tensor:
    """N×H×W×C → N×C×H×W, the order that layers expect, in the device's `memory_format`."""
    images = images.permute(0, 3, 1, 2)
    return images.contiguous(memory_format=memory_format(images.device))


def room_for_images(device: torch.device) -> int:
    """How many bytes of images or features may be in the device's memory."""
    if device.type == "cuda":
        return int(SHARE_FOR_IMAGES * torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return int(SHARE_FOR_IMAGES * free)
    return BYTES_FOR_IMAGES


def seed(device: torch.device, number: int) -> None:
    """Seed the generator of dropout on the device, in each step. torch.manual_seed would take a
    hundred times as long with a CUDA version of torch on a machine without a GPU."""
    generators = {"cuda": torch.cuda, "mps": torch.mps}
    generators.get(device.type, torch.default_generator).manual_seed(number)


def use_precision(precision: str) -> None:
    """With fp32, switch TF32 off: by default CUDA rounds the factors of convolutions to it."""
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = precision != "fp32"


@contextmanager
def repeatable(wanted: bool) -> Iterator[None]:
    """Inside this context, if wanted, the same work gives the same bits on a GPU too. Raises
    ValueError for an operation that is not deterministic."""
    if not wanted:
        yield
        return
    # Without it, cuBLAS may sum in a different order each time.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Filling takes time and is not needed: no code here reads memory before writing it.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        reason = str(error).partition(". ")[0]
        raise ValueError(
            f"recipe.deterministic: {reason}; set it to false, or use an architecture without this"
        ) from error
    finally:
        torch.use_deterministic_algorithms(False)


def describe(device: torch.device) -> str:
    """The kind of the device, for CUDA with the model of the GPU: `cuda NVIDIA H200`."""
    return f"cuda {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def keep_freed() -> None:
    """Let glibc, if it is the C library, keep memory that this process frees. Results are the same.

    By default it returns large blocks to the system, and each step requests the same blocks again.
    The system clears each page before, which takes a seventh of a small network's time.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        # Numbers from glibc's malloc.h. 2**25 is the largest threshold that glibc accepts.
        mmap_threshold, trim_threshold = -3, -1
        library.mallopt(mmap_threshold, 2**25)
        library.mallopt(trim_threshold, 2**31 - 1)
