"""Several processes on one machine that train one network together (recipe.gpus), one GPU each.

torchrun starts them, and ends all when one ends. Each process does the same steps with its share of
every batch; gradients and batch normalisation use the whole batch. Only the first process writes
files. In a training with one process, the functions here have no effect.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import torch
from torch import distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from transferability.storage import signals

LONGEST_WAIT = timedelta(days=7)
"""The others wait this long for the first process, which may have to wait for another job that
writes to its folder. If a process dies, torchrun ends the others."""


def rank() -> int:
    """The index of this process, from 0."""
    return int(os.environ["RANK"]) if distributed.is_torchelastic_launched() else 0


def count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def start(processes: int) -> None:
    """With `processes` > 1, replace this process with torchrun, which starts them all."""
    if processes > 1 and not distributed.is_torchelastic_launched():
        torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [sys.executable, "-m", *torchrun, "-m", "transferability", *sys.argv[1:]]
        # torchrun would set this too, with a warning.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.execv(sys.executable, command)


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Inside this context, the processes that torchrun started can communicate."""
    if not distributed.is_torchelastic_launched():
        yield
        return
    if rank():
        # The first process logs the same messages.
        logging.disable(logging.INFO)
    # gloo, for numbers on the CPU, does not wait for a GPU.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=LONGEST_WAIT)
    yield
    # Not in a `finally`: after an error, the other processes may not respond.
    distributed.destroy_process_group()


def highest(number: int) -> int:
    """The maximum of `number` over the processes; all processes must call this."""
    if count() == 1:
        return number
    found = torch.tensor(number)
    distributed.all_reduce(found, distributed.ReduceOp.MAX)
    return int(found)


def anywhere(condition: bool) -> bool:
    """Whether the condition is true in any process; all processes must call this."""
    return bool(highest(condition))


def check_signals() -> None:
    """Raise Interrupted in all processes if any of them has received a signal."""
    if anywhere(signals.has_come()):
        signals.check()
        raise signals.Interrupted("a signal to another process")


def summed(tensor: torch.Tensor) -> torch.Tensor:
    """The sum over the processes; gradients flow back to all of them."""
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(tensor)


def mean(tensor: torch.Tensor) -> torch.Tensor:
    """The mean over the processes."""
    return tensor if count() == 1 else summed(tensor) / count()


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """The tensors of all processes (N×…), concatenated in the order of their shares."""
    if count() == 1:
        return tensor
    parts: list = [None] * count()
    distributed.all_gather_object(parts, tensor.cpu())
    return torch.cat(parts).to(tensor.device)


def share(whole: slice) -> slice:
    """This process's part of a range; the sizes of all parts are as equal as possible."""
    length, of = whole.stop - whole.start, count()
    return slice(*(whole.start + (rank() + i) * length // of for i in (0, 1)))


def together(layers: nn.Module, all_learn: bool) -> nn.Module:
    """The layers, with gradients that are averaged over the processes. `all_learn`: each step gives
    every parameter a gradient; otherwise torch searches for those without, which takes time."""
    if count() == 1:
        return layers
    return nn.parallel.DistributedDataParallel(layers, find_unused_parameters=not all_learn)


def synchronise(network: nn.Module) -> None:
    """Let batch normalisation use the statistics of the images of all processes.

    torch's SyncBatchNorm does the same, but only on GPUs. Raises ValueError for a batch
    normalisation that is neither torch's nor timm's.
    """
    for norm in network.modules() if count() > 1 else ():
        if isinstance(norm, _BatchNorm):
            forward = type(norm).forward
            # timm's BatchNormAct2d applies dropout and an activation to the normalised values.
            if forward is not _BatchNorm.forward and forward.__module__ != "timm.layers.norm_act":
                raise ValueError(
                    f"recipe.gpus: with more than one, {type(norm).__name__} cannot normalise over "
                    "the images of all GPUs; set it to 1, or use torch's BatchNorm"
                )
            norm.forward = partial(_normalised, norm)


def _normalised(norm: _BatchNorm, inputs: torch.Tensor) -> torch.Tensor:
    if not norm.training:
        return type(norm).forward(norm, inputs)
    norm._check_input_dim(inputs)
    dims, shape = [0, *range(2, inputs.ndim)], [1, -1, *[1] * (inputs.ndim - 2)]
    values = inputs.float()
    images = summed(values.new_tensor(values.numel() / values.shape[1]))
    mean = summed(values.sum(dims)) / images
    centred = values - mean.view(shape)
    variance = summed(centred.square().sum(dims)) / images
    if norm.track_running_stats:
        norm.num_batches_tracked += 1
        momentum = norm.momentum
        if momentum is None:
            momentum = 1 / norm.num_batches_tracked.item()
        with torch.no_grad():
            norm.running_mean.lerp_(mean, momentum)
            norm.running_var.lerp_(variance * images / (images - 1), momentum)
    values = centred * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        values = values * norm.weight.view(shape) + norm.bias.view(shape)
    values = values.to(inputs.dtype)
    for then in ("drop", "act"):
        if hasattr(norm, then):
            values = getattr(norm, then)(values)
    return values
