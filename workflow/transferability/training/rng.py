"""Two streams of random numbers: one for all treatments, another one for the bases.

All treatments of one (split, seed, target) draw the same numbers for the same purpose, so that they
differ only by the treatment. The bases draw different numbers.
"""

import hashlib
from dataclasses import dataclass
from typing import Self

import torch

from transferability.study.networks import TrainingSpec


@dataclass(frozen=True)
class Stream:
    """The random numbers of one (split, seed, target). `name` is base or treatment, or images for
    the choice of images, which is the same for bases and treatments."""

    name: str
    split: str
    seed: int
    target: str

    @classmethod
    def of(cls, task: TrainingSpec, name: str | None = None) -> Self:
        """The stream of the task, or the stream `name` for its (split, seed, target)."""
        return cls(name or task.stream, task.split, task.seed, task.target)

    def number(self, *purpose: str | int) -> int:
        """A 63-bit seed for one purpose, such as ("layer", "conv1") or ("order", 3).

        It depends only on the stream and the purpose, so that a resumed training draws the same
        numbers.
        """
        text = repr((self.name, self.split, self.seed, self.target, *purpose))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1

    def generator(self, *purpose: str | int) -> torch.Generator:
        """A generator for one purpose; on the CPU, so that all devices get the same numbers."""
        return torch.Generator().manual_seed(self.number(*purpose))
