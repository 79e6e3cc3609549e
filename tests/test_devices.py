"""What a device is found to be able to do."""

import pytest
import torch

from transferability.training import device


@pytest.mark.parametrize(
    ("amx", "avx512_bf16", "precision"),
    [
        (True, True, "bf16"),
        (True, False, "bf16"),
        (False, True, "bf16"),
        (False, False, "fp32"),
    ],
)
def test_a_processor_computes_in_bf16_if_it_multiplies_it(amx, avx512_bf16, precision, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    processor = torch.device("cpu")
    assert device.choose_precision("auto", processor) == precision
    for wanted in ("bf16", "fp32"):
        assert device.choose_precision(wanted, processor) == wanted
