"""The cost of watching a study, and pictures of both terminals when half of the study is done.

    python benchmarks/board.py [--study studies/digits.yaml] [--pictures docs]

The study (`--study`, by default config.yaml) runs on all cores in one terminal, in a temporary
folder, while `status --watch` draws its board in another. Then the processor times of both are
compared.
"""

import argparse
import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console, RenderableType
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability.records import board, status
from transferability.study import config, targets

STUDY = "config.yaml"
COLUMNS = 100
ERASED = re.compile(r"\r?\x1b\[2K(?:\x1b\[1A\x1b\[2K)*")
"""The characters that rich writes to erase its last output."""
HIDDEN = r"\x1b\[\?25[hl]|\x1b\[\d+m.\x1b\[0m Building workflow graph\.\.\.\n?"
"""The codes that show and hide the cursor, and the spinner before there are jobs."""
# As rich draws it, without the window frame and without the address of a web font.
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


class Terminal:
    """A command in a terminal; `said` is its output so far."""

    def __init__(self, *command: str):
        master, terminal = pty.openpty()
        size = {"COLUMNS": str(COLUMNS), "LINES": "60", "TERM": "xterm-256color"}
        self.said = bytearray()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**os.environ, **size, "PYTHONPATH": str(ROOT / "workflow")},
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        self.reader = threading.Thread(target=self._read, args=[master], daemon=True)
        self.reader.start()

    def _read(self, master: int) -> None:
        # On Linux, reading a terminal whose last process has ended is an error.
        with contextlib.suppress(OSError):
            while said := os.read(master, 65536):
                self.said += said

    def screen(self, command: str, folder: str) -> Text:
        """The screen with that command in its first line: all permanent lines, and the panel that
        was drawn last. Paths are relative to the project or to `folder`."""
        text = self.said.decode("utf-8", errors="ignore").replace("\r\n", "\n")
        for place in (folder, str(ROOT), os.path.relpath(ROOT, folder)):
            text = text.replace(f"{place}/", "")
        text = re.sub(HIDDEN, "", text)
        drawn = [part.partition("╭") for part in ERASED.split(text)]
        panels = [panel for _, _, panel in drawn if "╯" in panel]
        lines = re.sub("\n{3,}", "\n\n", "".join(line for line, _, _ in drawn).strip())
        return Text.from_ansi(f"$ {command}\n{lines}\n\n╭{panels[-1] if panels else ''}")


def processor_seconds(process: subprocess.Popen) -> float:
    """Wait for a process; return the processor time of it and of its ended children."""
    _, _, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime


def shows_all(found: status.StudyStatus) -> bool:
    """Whether half is done, and every core runs a training that has finished some epochs."""
    running = found.of(status.RUNNING)
    reached = all(network.reached for network in running)
    return found.share > 0.5 and len(running) == os.cpu_count() and reached


def draw(shown: RenderableType, picture: Path) -> None:
    """Write the content of a terminal as a picture."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), color_system="truecolor")
    console.print(shown)
    svg = console.export_svg(
        theme=DEFAULT_TERMINAL_THEME, code_format=PICTURE, unique_id=picture.stem
    )
    picture.write_text(svg, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default=STUDY, help="from the folder of the project")
    parser.add_argument("--pictures", type=Path, help="a folder, for board.svg and console.svg")
    flags = parser.parse_args()
    command = "snakemake --cores all"
    if flags.study != STUDY:
        command += f" --configfile {flags.study}"
    with tempfile.TemporaryDirectory() as temporary:
        name = config.read(ROOT / flags.study)["study"]
        results, start = Path(temporary) / "results" / name, time.perf_counter()
        where = ("--directory", temporary, "--configfile", str(ROOT / flags.study))
        snakemake = Terminal(*command.split(), *where)
        while not (results / targets.STUDY).exists():
            if snakemake.process.poll() is not None:
                sys.exit("the study could not be started")
            time.sleep(0.1)
        watcher = Terminal("transferability", "status", str(results), "--watch")
        if flags.pictures is not None:
            while not shows_all(found := status.look(results)) and found.share < 1:
                time.sleep(0.2)
            draw(board.board(found, COLUMNS), flags.pictures / "board.svg")
            draw(snakemake.screen(f"uv run {command}", temporary), flags.pictures / "console.svg")
        of_study = processor_seconds(snakemake.process)
        seconds = time.perf_counter() - start
        of_watcher = processor_seconds(watcher.process)
        watcher.reader.join()
    print(f"the study: {seconds:.0f} s, {of_study:.1f} s of processors")
    print(f"watching it: {of_watcher:.2f} s of a processor, {of_watcher / of_study:.2%} of that")


if __name__ == "__main__":
    main()
