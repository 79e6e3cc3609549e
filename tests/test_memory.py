"""Memory that a step frees is used by the next one."""

import ctypes
import subprocess
import sys

import pytest
import torch

from transferability.training.preprocessing import Preprocessing


def test_memory_is_used_again_by_the_next_batch():
    statistics = {"mean": torch.zeros(3), "std": torch.ones(3)}
    recipe = {"normalise": "channels", "crop": None}
    preprocess = Preprocessing(recipe, (4, 5), statistics, torch.device("cpu"))
    images = torch.arange(4 * 4 * 5 * 3, dtype=torch.uint8).view(4, 4, 5, 3)
    with torch.inference_mode():
        place = preprocess(images).data_ptr()
    first = preprocess(images)
    assert first.data_ptr() == place
    expected = images[:3].permute(0, 3, 1, 2).float()
    assert torch.equal(first, images.permute(0, 3, 1, 2).float())
    fewer = preprocess(images[:3])
    assert fewer.data_ptr() == place
    assert torch.equal(fewer, expected)


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
