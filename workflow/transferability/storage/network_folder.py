"""The folder of one network: what lies in it, under which name, written when.

metrics.json          final numbers and provenance; written last, so that it means all is there
history.jsonl         one line per evaluation
predictions.npy       int32, the predicted class of each validation image in store order, -1
                      where the image's class is not in the target half
weights.safetensors   for bases; for the others if the study asks
resume.safetensors    while training: all that is needed to go on; afterwards, until the study has
                      succeeded: all that is needed to write the other files again
writers/              who writes here, and who did (see lease.py)
"""

import itertools
import json
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferability.storage import files

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

MEASURED_AS = {
    **dict.fromkeys(("top1", "top5", "loss", "train_loss", "chance"), float),
    "learned": bool,
    "images_seen": int,
    **dict.fromkeys(("seconds", "images_per_second"), float),
    **dict.fromkeys(("device", "precision"), str),
    "validation_images": int,
}
"""What each network's metrics.json has at least, and as what."""


class NetworkFolder:
    """Reading and writing the files of one network; `check` is called before a file that was
    written takes its name, and raises an error where it must not."""

    def __init__(self, path: Path, check: files.Check = lambda: None):
        self.path, self.check = path, check
        self.metrics = path / "metrics.json"
        self.history = path / "history.jsonl"
        self.predictions = path / "predictions.npy"
        self.weights = path / "weights.safetensors"
        # Not declared to Snakemake. It deletes what a failed job declares and, started again after
        # it was killed, what jobs have finished meanwhile.
        self.resume = path / "resume.safetensors"

    def write_history(self, history: list[dict]) -> None:
        text = "".join(f"{json.dumps(line)}\n" for line in history)
        files.write_text(self.history, text, self.check)

    def write_predictions(self, predictions: np.ndarray) -> None:
        predictions = predictions.astype(np.int32)
        with files.atomic_write(self.predictions, predictions.nbytes, self.check) as temporary:
            np.save(temporary, predictions)

    def write_weights(self, tensors: dict[str, "torch.Tensor"], identity: dict) -> str:
        """Write the network's weights; their sha256."""
        # Here, since who only reads results has no need of torch.
        from transferability.storage import checkpoint

        return checkpoint.save(self.weights, tensors, identity, self.check)

    def write_metrics(self, metrics: dict) -> None:
        text = json.dumps(metrics, indent=2, ensure_ascii=False)
        files.write_text(self.metrics, f"{text}\n", self.check)

    def save_resume(self, tensors: dict[str, "torch.Tensor"], identity: dict, state: dict) -> None:
        """Keep what a training needs to go on; `identity` is all that decides its numbers."""
        from transferability.storage import checkpoint

        header = {"identity": identity, "state": state}
        checkpoint.save(self.resume, tensors, header, self.check)

    def load_resume(self, identity: dict) -> tuple[dict[str, "torch.Tensor"], dict] | None:
        """What an interrupted training left, if it is whole and of the very same identity.

        What is not is set aside with a word why, never used and never deleted.
        """
        from transferability.storage import checkpoint

        if not self.resume.exists():
            return None
        wanted, found = _from_json(identity), {}
        try:
            tensors, header, _ = checkpoint.load(self.resume)
        except checkpoint.CheckpointError as error:
            reason = str(error)
        else:
            match header:
                case {"state": {"metrics": _}}:
                    # Of a training that was finished, but is not wanted: it lacks nothing.
                    return None
                case {"identity": dict() as found, "state": dict() as state} if found == wanted:
                    return tensors, state
            differing = [key for key in wanted if found and found.get(key) != wanted[key]]
            reason = f"{self.resume}: it is of another {', '.join(differing) or 'training'}"
        places = (self.path / f"resume.set-aside{k}.safetensors" for k in itertools.count())
        aside = next(place for place in places if not place.exists())
        self.check()
        self.resume.replace(aside)
        log.warning("%s; set aside as %s, training starts from the beginning", reason, aside.name)
        return None

    def keep_finished(self, metrics: dict) -> None:
        """Keep, in place of what a training needs to go on, all that it has written."""
        import torch

        from transferability.storage import checkpoint

        tensors = {"predictions": torch.from_numpy(np.load(self.predictions))}
        if self.weights.exists():
            weights, *_ = checkpoint.load(self.weights)
            tensors |= {f"network.{name}": tensor for name, tensor in weights.items()}
        state = {"metrics": metrics, "history": self.read_history()}
        self.save_resume(tensors, metrics["identity"], state)
        self._remove_unfinished()

    def load_finished(self, identity: dict, with_weights: bool) -> dict | None:
        """Write the files again, all but the metrics, of a training that was kept to its end and is
        of the very same identity; its metrics. None if there is none."""
        from transferability.storage import checkpoint

        try:
            tensors, header, _ = checkpoint.load(self.resume)
        except checkpoint.CheckpointError:
            return None
        state = header.get("state")
        if header.get("identity") != _from_json(identity) or "metrics" not in (state or {}):
            return None
        predictions = tensors.pop("predictions").numpy()
        if with_weights and not tensors:
            return None
        self.write_history(state["history"])
        self.write_predictions(predictions)
        if with_weights:
            weights = {name.removeprefix("network."): tensors[name] for name in tensors}
            self.write_weights(weights, identity)
        log.info(
            "%s was trained to its end before, with the same code and inputs, and is taken as it "
            "is; to train it again, delete %s",
            *(self.path, self.resume),
        )
        return state["metrics"]

    def remove_resume(self) -> None:
        """Remove the resume file, and what a training left that was killed while it wrote one."""
        self.resume.unlink(missing_ok=True)
        self._remove_unfinished()

    def _remove_unfinished(self) -> None:
        for unfinished in self.path.glob(f".{self.resume.stem}.*{self.resume.suffix}"):
            unfinished.unlink(missing_ok=True)

    def read_metrics(self) -> dict:
        """What metrics.json holds. Raises ValueError, naming it, if that is not a network's."""
        try:
            metrics = json.loads(self.metrics.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{self.metrics}: cannot be read ({error})") from error
        values = metrics if isinstance(metrics, dict) else {}
        kinds = {**MEASURED_AS, "layer_names": list}
        wrong = [key for key, kind in kinds.items() if not _is_of(kind, values.get(key))]
        if wrong or not isinstance(values.get("identity", {}), dict):
            raise ValueError(
                f"{self.metrics}: it has no {', '.join(wrong) or 'identity'} such as a training "
                "writes"
            )
        return metrics

    def read_history(self) -> list[dict]:
        """The lines of history.jsonl. Raises ValueError, naming it, if they are no evaluations."""
        try:
            history = read_history(self.history)
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{self.history}: cannot be read ({error})") from error
        if not history or not all(
            isinstance(line, dict) and _is_of(float, line.get("top1")) for line in history
        ):
            raise ValueError(f"{self.history}: it has no evaluations such as a training writes")
        return history


def read_history(path: Path | str) -> list[dict]:
    """The lines of a history.jsonl."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def forget_finished(networks: Path) -> None:
    """Remove the resume files of the trainings of a study that are finished.

    `networks` is the folder results/<study>/networks.
    """
    for metrics in networks.glob("*/*/*/metrics.json"):
        NetworkFolder(metrics.parent).remove_resume()


def _is_of(kind: type, value: object) -> bool:
    """Whether a value is of a kind; a float is finite, and may be written without a point."""
    if kind in (str, bool, list):
        return isinstance(value, kind)
    kinds = int if kind is int else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)


def _from_json(values: dict) -> dict:
    """Values as they come back from JSON: a tuple there is a list here."""
    return json.loads(json.dumps(values))
