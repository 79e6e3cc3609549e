"""Memory for batches is used again, and never while something still looks at it."""

import ctypes
import gc
import subprocess
import sys

import pytest
import torch

from transferability.training import device


@pytest.fixture(autouse=True)
def nothing_free():
    device._free.clear()
    yield
    device._free.clear()


def test_memory_is_used_again_once_its_tensor_is_gone():
    first = device.empty((4, 5), torch.float32)
    place = first.data_ptr()
    assert device.empty((4, 5), torch.float32).data_ptr() != place
    device._free.clear()
    del first
    again = device.empty((2, 5, 8), torch.uint8)
    assert again.data_ptr() == place
    assert again.shape == (2, 5, 8)
    assert again.dtype == torch.uint8


@pytest.mark.parametrize(
    "held",
    [
        lambda tensor: tensor[1:2],
        lambda tensor: tensor.view(torch.int32),
        lambda tensor: tensor.permute(1, 0),
        lambda tensor: tensor.numpy(),
        # Autograd keeps the factor for the gradient.
        lambda tensor: torch.ones(4, 5, requires_grad=True) * tensor,
    ],
    ids=["part", "other type", "permuted", "array", "graph"],
)
def test_memory_in_use_is_not_given_out(held):
    tensor = device.empty((4, 5), torch.float32).fill_(7)
    place, used = tensor.data_ptr(), held(tensor)
    del tensor
    gc.collect()
    others = [device.empty((4, 5), torch.float32) for _ in range(3)]
    assert place not in [other.data_ptr() for other in others]
    del used
    assert device.empty((4, 5), torch.float32).data_ptr() == place


def test_little_is_kept_for_later():
    many = [device.empty((k + 1,), torch.uint8) for k in range(3 * device.FREE)]
    del many
    assert len(device._free) == device.FREE


# The pages that the system gives out in a step, once the first steps are over.
FRESH_PAGES = """
import resource
import torch
from transferability.training import device
from transferability.models import small

device.keep_freed()
torch.set_num_threads(1)
settings = {
    "channels": [16, 32, 48, 48, 32], "units": [128, 128], "batch_norm": False, "dropout": 0
}
network = torch.nn.Sequential(*(layer for _, layer in small.build(settings, 24, 50)))
images = torch.zeros(64, 3, 24, 24)
for step in range(60):
    if step == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    network(images).sum().backward()
    network.zero_grad()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 50)
"""


@pytest.mark.full
@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"),
    reason="only glibc can be told to keep what is freed",
)
def test_what_a_training_frees_stays_with_it():
    command = [sys.executable, "-c", FRESH_PAGES]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    # Else over 1,000.
    assert int(done.stdout) < 100
