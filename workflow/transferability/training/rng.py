"""The two streams of random numbers: common to all treatments, and apart from the bases'.

All treatments of one (split, seed, target) draw the same numbers for the same purpose, so that one
differs from another by the treatment alone; the bases draw others.
"""

import hashlib
from dataclasses import dataclass
from typing import Self

import torch

from transferability.study.networks import TrainingSpec


@dataclass(frozen=True)
class Stream:
    """The random numbers of one (split, seed, target): `name` is base or treatment; or images, by
    which bases and treatments choose the same ones."""

    name: str
    split: str
    seed: int
    target: str

    @classmethod
    def of(cls, task: TrainingSpec, name: str | None = None) -> Self:
        """The task's own stream, or that of another name for its (split, seed, target)."""
        return cls(name or task.stream, task.split, task.seed, task.target)

    def number(self, *purpose: str | int) -> int:
        """A 63-bit seed for one purpose, such as ("layer", "conv1") or ("order", 3).

        It depends on nothing but the stream and the purpose, so that a resumed training draws the
        same numbers.
        """
        text = repr((self.name, self.split, self.seed, self.target, *purpose))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1

    def generator(self, *purpose: str | int) -> torch.Generator:
        """A generator on the CPU, seeded for one purpose: every device sees the same numbers."""
        return torch.Generator().manual_seed(self.number(*purpose))
