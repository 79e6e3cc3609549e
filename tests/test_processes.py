"""How several processes change a network, tested here as if each had the whole batch."""

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from transferability.training import processes


@pytest.fixture(autouse=True)
def two(monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 2)
    monkeypatch.setattr(processes, "summed", lambda tensor: tensor)


@pytest.mark.parametrize(
    "norm",
    [
        lambda: nn.BatchNorm2d(3),
        lambda: nn.BatchNorm2d(3, momentum=None),
        lambda: BatchNormAct2d(3),
        lambda: BatchNormAct2d(3, act_layer=nn.GELU, drop_layer=nn.Softsign),
    ],
)
def test_batch_normalisation_equals_that_of_one_process(norm):
    inputs, alone, together = torch.randn(8, 3, 4, 4), norm(), norm()
    processes.synchronise(nn.Sequential(together))
    for _ in range(2):
        torch.testing.assert_close(together(inputs), alone(inputs))
        inputs = inputs * 3 + 1
    torch.testing.assert_close(together.state_dict(), alone.state_dict())
    torch.testing.assert_close(together.eval()(inputs), alone.eval()(inputs))


class Doubled(nn.BatchNorm2d):
    """A batch normalisation that does more than its base class."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(inputs)


def test_more_processes_than_validation_images_are_refused(laboratory, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 1000)
    monkeypatch.setattr(processes, "highest", int)
    with pytest.raises(ValueError, match=r"^recipe\.gpus: 1000 are more than the \d+ validation"):
        laboratory.train("baseA", tmp_path)


def test_batch_normalisation_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"^recipe\.gpus: .*Doubled"):
        processes.synchronise(nn.Sequential(Doubled(3)))
