"""The folder of one network: what lies in it, under which name, written when.

metrics.json          final numbers and provenance; written last, so that it means all is there
history.jsonl         one line per evaluation
predictions.npy       int32, the predicted class of each validation image in store order, -1
                      where the image's class is not in the target half
weights.safetensors   for bases; for the others if the study asks
resume.safetensors    while training: all that is needed to go on
"""

import itertools
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferability import files

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NetworkFolder:
    """Reading and writing the files of one network."""

    path: Path

    @classmethod
    def of(cls, outputs: Sequence[Path]) -> "NetworkFolder":
        """The folder of these files. Raises ValueError if one is no network's, or elsewhere."""
        folder = cls(outputs[0].parent)
        known = [folder.metrics, folder.history, folder.predictions, folder.weights]
        foreign = [str(path) for path in outputs if path not in known]
        if foreign:
            raise ValueError(
                f"--outputs: {', '.join(foreign)} is none of {', '.join(map(str, known))}"
            )
        return folder

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def history(self) -> Path:
        return self.path / "history.jsonl"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.npy"

    @property
    def weights(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def resume(self) -> Path:
        """Not declared to Snakemake, which deletes what a failed job declares."""
        return self.path / "resume.safetensors"

    def write_history(self, history: list[dict]) -> None:
        files.write_text(self.history, "".join(f"{json.dumps(line)}\n" for line in history))

    def write_predictions(self, predictions: np.ndarray) -> None:
        with files.whole(self.predictions) as temporary:
            np.save(temporary, predictions.astype(np.int32))

    def write_metrics(self, metrics: dict) -> None:
        files.write_text(self.metrics, json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")

    def save_resume(self, tensors: dict[str, "torch.Tensor"], identity: dict, state: dict) -> None:
        """Keep what a training needs to go on; `identity` is all that decides its numbers."""
        # Here, since who only reads results has no need of torch.
        from transferability import checkpoint

        checkpoint.save(self.resume, tensors, {"identity": identity, "state": state})

    def load_resume(self, identity: dict) -> tuple[dict[str, "torch.Tensor"], dict] | None:
        """What an interrupted training left, if it is whole and of the very same identity.

        What is not is set aside with a word why, never used and never deleted.
        """
        from transferability import checkpoint

        if not self.resume.exists():
            return None
        try:
            tensors, header, _ = checkpoint.load(self.resume)
        except checkpoint.CheckpointError as error:
            reason = str(error)
        else:
            # As it comes back from JSON: a tuple there is a list here.
            wanted = json.loads(json.dumps(identity))
            found = header.get("identity", {})
            if found == wanted:
                return tensors, header["state"]
            differing = [key for key in wanted if found.get(key) != wanted[key]]
            reason = f"{self.resume}: it is of another {', '.join(differing) or 'training'}"
        places = (self.path / f"resume.set-aside{k}.safetensors" for k in itertools.count())
        aside = next(place for place in places if not place.exists())
        self.resume.replace(aside)
        log.warning("%s; set aside as %s, training starts from the beginning", reason, aside.name)
        return None

    def remove_resume(self) -> None:
        """Remove the resume file, and what a training left that was killed while it wrote one."""
        self.resume.unlink(missing_ok=True)
        for unfinished in self.path.glob(f".{self.resume.stem}.*{self.resume.suffix}"):
            unfinished.unlink(missing_ok=True)


def read_history(path: Path | str) -> list[dict]:
    """The lines of a history.jsonl."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
