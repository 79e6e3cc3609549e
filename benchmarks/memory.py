"""How much memory a training takes that reads its images from the disk.

    python benchmarks/memory.py

An epoch of a small network on 100, 200 and 400 MB of images that are memory-mapped. What counts is
the peak of anonymous memory, which is a process's own; pages of mapped files are the system's, and
it takes them back when it needs them.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability import classes, study_file  # noqa: E402
from transferability.images import store  # noqa: E402

SIZE = 256
BLOCK = 100
HALVES = {"a": "A", "b": "A", "c": "B", "d": "B"}
MAPPED = """
import sys
from transferability import devices
from transferability.__main__ import main
devices.BYTES_FOR_IMAGES = 0
sys.exit(main())
"""


def write_store(folder: Path, megabytes: int) -> None:
    """Four classes of noise, of which two have so many megabytes."""
    count = -(-megabytes * 10**6 // (2 * 3 * SIZE**2 * BLOCK)) * BLOCK
    random = np.random.default_rng(0)
    block = random.integers(0, 256, (BLOCK, SIZE, SIZE, 3), dtype=np.uint8)

    def part(images: int) -> store.Part:
        labels = np.repeat(np.arange(len(HALVES), dtype=np.int32), images)
        return store.Part(labels, lambda: (block for _ in range(len(labels) // BLOCK)))

    collection = store.Collection(
        [(name, "") for name in HALVES], (SIZE, SIZE), part(count), part(BLOCK)
    )
    store.write(collection, folder, {})


def peak_of_training(place: Path, megabytes: int) -> float:
    """Peak of anonymous memory, in MB, of a training on half of a store."""
    images, split, network = place / "images", place / "random0.csv", place / "network"
    write_store(images, megabytes)
    classes.write(HALVES, split)
    # In noise there is nothing to learn, and a higher rate diverges.
    given = {"epochs": 1, "crop": 32, "augment": ["crop"], "device": "cpu", "learning_rate": 1e-5}
    study = study_file.complete({"dataset": {"image_size": SIZE}, "recipe": given})
    command = [
        *(sys.executable, "-c", MAPPED, "train", "--network=baseB", "--seed=0"),
        *(f"--images={images}", f"--split={split}", f"--recipe={json.dumps(study['recipe'])}"),
        f"--architecture={json.dumps(study['architecture'])}",
        *("--outputs", str(network / "metrics.json"), str(network / "history.jsonl")),
    ]
    log = place / "log"
    with (
        log.open("wb") as said,
        subprocess.Popen(command, cwd=ROOT / "workflow", stderr=said) as training,
    ):
        peak = 0
        while training.poll() is None:
            peak = max(peak, anonymous(training.pid))
            time.sleep(0.01)
    if training.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text(encoding='utf-8')}")
    return peak / 1000


def anonymous(process: int) -> int:
    """The anonymous memory of a process at this moment, in kB; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 200, 400])
    flags = parser.parse_args()
    logging.disable(logging.INFO)
    print(machine.described())
    for megabytes in flags.megabytes:
        with tempfile.TemporaryDirectory() as temporary:
            peak = peak_of_training(Path(temporary), megabytes)
        print(f"{megabytes:6} MB of images: at most {peak:6.0f} MB of memory of its own")


if __name__ == "__main__":
    main()
