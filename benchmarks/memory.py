"""How much memory a training needs.

    python benchmarks/memory.py

First, a small network is trained for an epoch on 100, 200 and 400 MB of memory-mapped images.
Measured is the peak of anonymous memory, which belongs to the process; pages of mapped files belong
to the system, which can take them back. Then baseB of glyphs100, whose images fit in memory, is
trained for two epochs: the peak of all its memory, minus that of `import torch` alone, is compared
with the least it needs: the image store, the weights, and the outputs of the layers for one batch.
A Python with torch uses the most memory when it exits, which a training does not wait for: so both
are printed, that peak and the memory of torch after its import.
"""

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import drawn
import machine
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability.images import ImageSource, build, class_splits
from transferability.models import small, summary
from transferability.study import config

SIZE = 256
BLOCK = 100
HALVES = {"a": "A", "b": "A", "c": "B", "d": "B"}
MAPPED = """
import sys
from transferability.training import device as devices
from transferability.__main__ import main
devices.BYTES_FOR_IMAGES = 0
sys.exit(main())
"""


def write_store(folder: Path, megabytes: int) -> None:
    """Write four classes of noise, two of which together have this many megabytes."""
    count = -(-megabytes * 10**6 // (2 * 3 * SIZE**2 * BLOCK)) * BLOCK
    random = np.random.default_rng(0)
    block = random.integers(0, 256, (BLOCK, SIZE, SIZE, 3), dtype=np.uint8)

    def items(images: int) -> list[tuple[int, int]]:
        blocks = images // BLOCK
        return [(label, label * blocks + k) for label in range(len(HALVES)) for k in range(blocks)]

    source = ImageSource(
        classes=[(name, "") for name in HALVES],
        image_size=(SIZE, SIZE),
        train=items(count),
        validation=items(BLOCK),
        load=lambda _: block,
        per_item=(BLOCK, BLOCK),
    )
    build.write_store(source, folder, {"source": "noise"})


def peak_of_mapped(place: Path, megabytes: int) -> float:
    """Peak of anonymous memory, in MB, of a training on half of a store."""
    images, split = place / "images", place / "random0.csv"
    write_store(images, megabytes)
    class_splits.write(HALVES, split)
    # Noise contains nothing to learn, and a higher rate diverges.
    given = {"epochs": 1, "crop": 32, "augment": ["crop"], "device": "cpu", "learning_rate": 1e-5}
    checked = config.complete({"dataset": {"image_size": SIZE}, "recipe": given})
    return peak(
        "RssAnon",
        place / "log",
        "-c",
        MAPPED,
        *drawn.training(checked, images, split, 0, place / "network"),
    )


def report_job(place: Path) -> None:
    """Print the peak of baseB of glyphs100, and the least memory that it needs."""
    checked = config.read(ROOT / "studies" / "glyphs100.yaml")
    checked["recipe"] |= {"epochs": 2, "device": "cpu"}
    dataset, recipe = checked["dataset"], checked["recipe"]
    images, split = drawn.store_and_split(dataset, place)
    command = (
        "-m",
        "transferability",
        *drawn.training(checked, images, split, 0, place / "network"),
    )
    whole = peak("VmHWM", place / "log", *command)
    imported = "import os, time, torch; time.sleep(0.1);"
    alone = peak("VmHWM", place / "log", "-c", imported)
    once = peak("VmHWM", place / "log", "-c", f"{imported} os._exit(0)")
    built = small.build(checked["architecture"], dataset["image_size"], dataset["classes"] // 2)
    layers = summary.summarise(built, dataset["image_size"])
    made = sum(layer.output.numel() for layer in layers) + 3 * dataset["image_size"] ** 2
    needed = {
        "image store": sum(file.stat().st_size for file in images.glob("*.npy")),
        "weights": 4 * sum(layer.parameters for layer in layers),
        "one batch": 4 * recipe["batch_size"] * made,
    }
    parts = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in needed.items())
    floor = sum(needed.values()) / 1e6
    print(f"baseB of glyphs100: {whole:.0f} MB at most; {floor:.0f} MB are {parts}")
    for what, less in (("as it ends", alone), ("once imported", once)):
        more = whole - less
        print(f"{more:6.0f} MB more than torch {what} ({less:.0f} MB): {more / floor:.1f} times")
    print("goal: 1.5 times")


def peak(kind: str, log: Path, *arguments: str) -> float:
    """The peak memory of that kind of a new Python process, in MB."""
    command = [sys.executable, *arguments]
    with (
        log.open("wb") as said,
        subprocess.Popen(command, cwd=ROOT / "workflow", stderr=said) as process,
    ):
        most = 0
        while process.poll() is None:
            most = max(most, at_present(process.pid, kind))
            time.sleep(0.01)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text(encoding='utf-8')}")
    return most / 1000


def at_present(process: int, kind: str) -> int:
    """The memory of a process now, in kB; 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(kind)), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 200, 400])
    flags = parser.parse_args()
    logging.disable(logging.INFO)
    print(machine.described())
    for megabytes in flags.megabytes:
        with tempfile.TemporaryDirectory() as temporary:
            most = peak_of_mapped(Path(temporary), megabytes)
        print(f"{megabytes:6} MB of images: at most {most:6.0f} MB of private memory")
    with tempfile.TemporaryDirectory() as temporary:
        report_job(Path(temporary))


if __name__ == "__main__":
    main()
