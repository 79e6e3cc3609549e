"""The next step uses the memory that a step frees."""

import ctypes
import subprocess
import sys

import pytest

# The pages that the system allocates in a step, after the first steps.
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
def test_freed_memory_is_used_again_by_the_training():
    command = [sys.executable, "-c", FRESH_PAGES]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    # Otherwise over 1,000.
    assert int(done.stdout) < 100
