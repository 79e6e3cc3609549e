"""The folder of one network and its files.

metrics.json          final numbers and provenance; written last: if it exists, all files exist
history.jsonl         one line per evaluation
predictions.npy       int32, the predicted class of each validation image in store order, -1
                      where the image's class is not in the target half
weights.safetensors   for bases; for other networks if the study asks for it
resume.safetensors    during training: all that is needed to continue
finished/             until the study has succeeded: hard links to the files above
writers/              the present writer and the log of all writers (see lease.py)
"""

import json
import logging
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import safetensors

from transferability.storage import files

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

MEASURED = [
    *("top1", "top1_selection", "top1_reporting", "top5", "loss", "train_loss"),
    *("chance", "learned", "images_seen", "seconds", "images_per_second", "device", "precision"),
    *("validation_images", "trainable_parameters"),
]
"""The keys that each network's metrics.json must have, in addition to `layer_names`."""


class NetworkFolder:
    """Read and write the files of one network; `check` as for `files.atomic_write`, called before
    each file that is written."""

    def __init__(self, path: Path, check: files.Check = lambda: None):
        self.path, self.check = path, check
        self.metrics = path / "metrics.json"
        self.history = path / "history.jsonl"
        self.predictions = path / "predictions.npy"
        self.weights = path / "weights.safetensors"
        # These are not declared as outputs: Snakemake deletes the outputs of a failed job and, when
        # it is started again after a kill, outputs of jobs that finished in the meantime.
        self.resume = path / "resume.safetensors"
        self.finished = path / "finished"

    def write_history(self, history: list[dict]) -> None:
        text = "".join(f"{json.dumps(line)}\n" for line in history)
        files.write_text(self.history, text, self.check)

    def write_predictions(self, predictions: np.ndarray) -> None:
        predictions = predictions.astype(np.int32)
        with files.atomic_write(self.predictions, predictions.nbytes, self.check) as temporary:
            np.save(temporary, predictions)

    def write_weights(self, tensors: dict[str, "torch.Tensor"], identity: dict) -> str:
        """Write the network's weights; return their sha256."""
        # Imported here, since code that only reads results does not need torch.
        from transferability.storage import checkpoint

        return checkpoint.save(self.weights, tensors, identity, self.check)

    def write_metrics(self, metrics: dict) -> None:
        text = json.dumps(metrics, indent=2, ensure_ascii=False)
        files.write_text(self.metrics, f"{text}\n", self.check)

    def save_resume(self, tensors: dict[str, "torch.Tensor"], identity: dict, state: dict) -> None:
        """Save all that a training needs to continue; `identity` is all that decides its result."""
        from transferability.storage import checkpoint

        header = {"identity": identity, "state": state}
        checkpoint.save(self.resume, tensors, header, self.check)

    def load_resume(self, identity: dict) -> tuple[dict[str, "torch.Tensor"], dict] | None:
        """The tensors and the state that an interrupted training saved. None, with the reason in
        the log, if the file is damaged or has another identity."""
        from transferability.storage import checkpoint

        if not self.resume.exists():
            return None
        # Converted as in the saved header, where JSON turns tuples into lists.
        wanted = json.loads(json.dumps(identity))
        try:
            tensors, header, _ = checkpoint.load(self.resume)
        except checkpoint.CheckpointError as error:
            reason = str(error)
        else:
            if header["identity"] == wanted:
                return tensors, header["state"]
            differing = [key for key in wanted if header["identity"].get(key) != wanted[key]]
            reason = f"{self.resume}: has another {', '.join(differing)}"
        log.warning("%s; training starts from the beginning", reason)
        return None

    def keep_finished(self) -> None:
        """Keep all results of a finished training, and remove its resume file."""
        shutil.rmtree(self.finished, ignore_errors=True)
        # The metrics last: if they exist, all files exist.
        for file in (self.history, self.predictions, self.weights, self.metrics):
            if file.exists():
                files.link(file, self.finished / file.name, self.check)
        self.remove_resume()

    def load_finished(self, identity: dict, with_weights: bool) -> dict | None:
        """Restore the kept files of a finished training with the same identity, except the metrics,
        and return the metrics; None if there is no such training."""
        kept = NetworkFolder(self.finished)
        if not kept.metrics.exists() or (with_weights and not kept.weights.exists()):
            return None
        metrics = json.loads(kept.metrics.read_text(encoding="utf-8"))
        if metrics["identity"] != json.loads(json.dumps(identity)):
            return None
        names = ["history", "predictions"] + ["weights"] * with_weights
        for name in names:
            files.link(getattr(kept, name), getattr(self, name), self.check)
        log.info(
            "%s was already trained with the same code and inputs, and is used as it is; to train "
            "it again, delete %s",
            *(self.path, self.finished),
        )
        return metrics

    def remove_resume(self) -> None:
        """Remove the resume file, and temporary files of processes that were killed in a save."""
        for file in (self.resume, *self.path.glob(f".{self.resume.stem}.*{self.resume.suffix}")):
            file.unlink(missing_ok=True)

    def read_metrics(self) -> dict:
        """The content of metrics.json; an imported source has no scores. Raises ValueError, naming
        the file, if it is not the file of a network."""
        try:
            metrics = json.loads(self.metrics.read_text(encoding="utf-8"))
            needed = ["source_id", "weights_sha256"] if "origin" in metrics else MEASURED
            lacking = [key for key in (*needed, "layer_names") if key not in metrics]
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"{self.metrics}: cannot be read ({error})") from error
        if lacking:
            raise ValueError(f"{self.metrics}: it has no {', '.join(lacking)}")
        return metrics

    def saved_step(self) -> int | None:
        """The iteration after which an interrupted training continues; None if it starts new.

        The checksum of the file is not compared, since importing torch would take too long.
        """
        unreadable = (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError)
        with suppress(*unreadable), safetensors.safe_open(self.resume, "numpy") as file:
            header = json.loads(json.loads(file.metadata()["checkpoint"])["header"])
            return header["state"]["step"]
        return None


class Onlooker(NetworkFolder):
    """The folder for those processes of a training that do not write files."""

    def _nothing(self, *_: object) -> None:
        """Nothing: the first process does this."""

    load_finished = write_history = save_resume = _nothing


def read_history(path: Path | str) -> list[dict]:
    """The lines of a history.jsonl. Raises ValueError, naming it, if it cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        history = [json.loads(line) for line in text.splitlines()]
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    if not history:
        raise ValueError(f"{path}: cannot be read (it is empty)")
    return history


def forget_finished(networks: Path) -> None:
    """Delete the kept files of finished trainings (`finished/`) below results/<study>/networks."""
    for kept in networks.glob("*/*/*/finished"):
        shutil.rmtree(kept, ignore_errors=True)
