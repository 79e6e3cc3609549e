"""What watching a study costs it, and a picture of the board beside a study that runs.

    python benchmarks/board.py [--picture docs/board.svg]

The default study runs on all cores, in a folder of its own, while `status --watch` draws its board
in a terminal; then the processor time of both is compared.
"""

import argparse
import io
import os
import pty
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability.records import board, status
from transferability.study import targets

STUDY = ROOT / "config.yaml"
COLUMNS = 100
# As rich draws it, without the frame of a window and the address from which it takes its font.
PICTURE = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" \
xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect fill="#ffffff" width="100%" height="100%" rx="8"/>
<g transform="translate({terminal_x}, {terminal_x})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def watched(results: Path) -> tuple[subprocess.Popen, threading.Thread]:
    """`status --watch` in a terminal that nobody reads."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "transferability", "status", str(results), "--watch"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "COLUMNS": str(COLUMNS)},
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)

    def drain() -> None:
        while True:
            try:
                if not os.read(master, 65536):
                    return
            except OSError:
                # What Linux says of a terminal whose last process has ended.
                return

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    return process, reader


def processor_seconds(process: subprocess.Popen) -> float:
    """Wait for a process; the processor time of it and of its own ended processes."""
    _, _, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime


def shows_all(found: status.StudyStatus) -> bool:
    """Whether half is done, and every core is at work with some epochs behind it."""
    running = found.of(status.RUNNING)
    reached = all(network.reached for network in running)
    return found.share > 0.5 and len(running) == os.cpu_count() and reached


def draw(found: status.StudyStatus, picture: Path) -> None:
    """Write the board as a picture."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), color_system="truecolor")
    console.print(board.board(found, COLUMNS))
    svg = console.export_svg(theme=DEFAULT_TERMINAL_THEME, code_format=PICTURE, unique_id="board")
    picture.write_text(svg, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, help="an SVG file, drawn when half is done")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        results, start = Path(temporary) / "results" / "glyphs", time.perf_counter()
        snakemake = subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", "--cores", "all", "--quiet", "all"),
                *("--snakefile", str(ROOT / "Snakefile"), "--configfile", str(STUDY)),
                *("--directory", temporary),
            ]
        )
        while not (results / targets.STUDY).exists():
            if snakemake.poll() is not None:
                sys.exit("the study could not be started")
            time.sleep(0.1)
        watcher, reader = watched(results)
        if flags.picture is not None:
            while not shows_all(found := status.look(results)) and found.share < 1:
                time.sleep(0.2)
            draw(found, flags.picture)
        of_study = processor_seconds(snakemake)
        seconds = time.perf_counter() - start
        of_watcher = processor_seconds(watcher)
        reader.join()
    print(f"the study: {seconds:.0f} s, {of_study:.1f} s of processors")
    print(f"watching it: {of_watcher:.2f} s of a processor, {of_watcher / of_study:.2%} of that")


if __name__ == "__main__":
    main()
