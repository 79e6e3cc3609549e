"""Precision on a processor, and the distribution of trainings over the GPUs of a machine."""

import contextlib
import itertools
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from transferability.training import device, gpus

FOUR = ["GPU-a", "GPU-b", "GPU-c", "GPU-d"]
HOLD = """
import sys, time
from pathlib import Path
from transferability.training import gpus
with gpus.taken(sys.argv[3:], Path(sys.argv[1]), int(sys.argv[2])) as index:
    print(index, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(("amx", "avx512_bf16"), [*itertools.product((True, False), repeat=2)])
def test_bf16_is_used_on_processors_that_multiply_it(amx, avx512_bf16, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    processor = torch.device("cpu")
    expected = "bf16" if amx or avx512_bf16 else "fp32"
    assert device.choose_precision("auto", processor) == expected
    for wanted in ("bf16", "fp32"):
        assert device.choose_precision(wanted, processor) == wanted


@pytest.fixture
def start(tmp_path):
    """A function that starts a process that holds a GPU, and returns the GPU's index."""
    started = []

    def holder(names: list[str] = FOUR, wanted: int = 1) -> tuple[subprocess.Popen, int]:
        command = [sys.executable, "-c", HOLD, tmp_path, str(wanted), *names]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, int(process.stdout.readline())

    yield holder
    for process in started:
        process.kill()
        process.wait()


def test_processes_use_the_gpu_with_the_fewest_processes(start):
    held = [start() for _ in range(8)]
    assert [index for _, index in held] == [0, 1, 2, 3, 0, 1, 2, 3]
    # The GPU of a killed process is free.
    held[2][0].kill()
    held[2][0].wait()
    assert start()[1] == 2


def test_a_training_on_several_gpus_occupies_each_of_them(start):
    assert start(wanted=2)[1] == 0
    assert start()[1] == 2
    # A free place only on the last GPU is not enough.
    pair, first = start(wanted=2)
    assert first == 0
    assert start()[1] == 3
    pair.kill()
    pair.wait()
    assert start(wanted=2)[1] == 0


@pytest.mark.full
def test_processes_that_see_some_gpus_count_the_other_processes(start):
    start(["GPU-a"])
    assert start(["GPU-a", "GPU-b"])[1] == 1
    assert start(["GPU-b", "GPU-c"])[1] == 1


def test_a_gpu_is_released_after_an_error(tmp_path):
    for _ in range(3):
        with contextlib.suppress(RuntimeError), gpus.taken(FOUR, tmp_path) as index:
            assert index == 0
            raise RuntimeError


@pytest.mark.full
def test_processes_that_start_at_once_spread_evenly(start):
    with ThreadPoolExecutor(8) as starting:
        taken = Counter(index for _, index in starting.map(start, [FOUR] * 8))
    assert taken == {0: 2, 1: 2, 2: 2, 3: 2}


@pytest.mark.parametrize("padding", [1, "same"])
@pytest.mark.parametrize("size", [1, 2, 8])
def test_gradients_in_bf16_equal_fp32_on_the_smallest_maps(size, padding):
    stride, kernel = (2, 3) if padding == 1 else (1, 7)
    network = nn.Sequential(nn.Conv2d(16, 32, kernel, stride=stride, padding=padding))
    images = torch.randn(4, 16, size, size)
    network(images).sum().backward()
    expected = network[0].weight.grad.clone()
    with torch.no_grad():
        device.keep_small_maps_in_fp32(network, images)
    for _ in range(3):
        # The values of a gradient where nothing is written.
        for kind in (torch.float32, torch.bfloat16):
            torch.full_like(expected, torch.nan, dtype=kind)
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            network(images).sum().backward()
        torch.testing.assert_close(network[0].weight.grad, expected, rtol=0.02, atol=0.1)
