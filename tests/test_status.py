"""The command `status`: the progress of a study, read from the files of its run."""

import contextlib
import io
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from project import ROOT
from rich.console import Console

from transferability import images
from transferability.__main__ import main
from transferability.records import board, status
from transferability.records.status import DONE, FAILED, RUNNING, WAITING
from transferability.storage import lease, signals
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config

STUDY = config.complete(
    {
        "study": "made",
        "dataset": {"source": "digits"},
        "layers": [0, 3],
        "recipe": {"epochs": 8, "evaluate_every": 1},
        "overrides": [{"where": {"n": 3}, "recipe": {"iterations": 500, "evaluate_every": 100}}],
        "omit": [{"network": "R3B"}],
    }
)
NAMES = ["baseA", "baseB", "base2B", "B0B", "B3B", "B3B+", "A3B", "A3B+"]


def line(epoch: float, iteration: int, **values: object) -> dict:
    return {
        **{"epoch": epoch, "iteration": iteration, "top1": 0.5, "images_seen": 64 * iteration},
        **{"seconds": iteration / 10, **values},
    }


def at(seconds: float) -> str:
    """The time this many seconds from now, in the format of metrics."""
    return datetime.fromtimestamp(time.time() + seconds, UTC).isoformat(timespec="seconds")


class Made:
    """A folder of results in which a test writes the files of a run."""

    def __init__(self, results: Path, checked: dict = STUDY):
        self.results, self.study = results, checked
        config.write(checked, results / "study.yaml")

    def folder(self, name: str, seed: int = 0) -> NetworkFolder:
        return NetworkFolder(self.results / "networks" / "random0" / f"seed{seed}" / name)

    def log(self, rule: str, text: str) -> Path:
        """A log that ends with this text."""
        log = self.results / "logs" / f"{rule}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"2026-11-29 10:00:00,123 starts\n{text}\n", encoding="utf-8")
        return log

    def finish(self, name: str, seconds=20.0, ago=100.0, learned=True, seed=0) -> None:
        """Write a network that took `seconds` and ended `ago` seconds ago."""
        training = self.study.training("random0", 0, name)
        folder = self.folder(name, seed)
        folder.write_metrics(
            {
                **{"top1": 0.9 if learned else 0.2, "chance": 0.2, "learned": learned},
                **{"images_per_second": 1000.0, "seconds": seconds},
                **{"classes": 5, "validation_images": 40, "train_loss": 0.3},
                "identity": {"recipe": training.recipe, "architecture": training.architecture},
                "job": {"started": at(-ago - seconds), "ended": at(-ago), "restarts": 0},
            }
        )
        os.utime(folder.metrics, (time.time() - ago,) * 2)

    def gone(self, name: str, ago: float = 100.0) -> None:
        """Record a writer without a sign of life for this many seconds."""
        with self.writing(name):
            pass
        log = self.folder(name).path / "writers" / "log.jsonl"
        taken, _ = log.read_text(encoding="utf-8").splitlines()
        log.write_text(f"{taken}\n", encoding="utf-8")
        (log.parent / "lease").touch()
        os.utime(log.parent / "lease", (time.time() - ago,) * 2)

    @contextlib.contextmanager
    def writing(self, name: str):
        with lease.sole_writer(self.folder(name).path, "work") as writer:
            yield writer

    def look(self) -> status.StudyStatus:
        return status.look(self.results)

    def of(self, name: str) -> status.Status:
        return next(network for network in self.look().networks if network.network == name)


@pytest.fixture
def made(tmp_path) -> Made:
    return Made(tmp_path / "results" / "made")


def test_the_networks_of_the_study_wait(made):
    found = made.look()
    assert [network.network for network in found.networks] == NAMES
    assert found.counts == {DONE: 0, RUNNING: 0, WAITING: 8, FAILED: 0}
    assert found.share == 0
    assert found.seconds_left is None


def test_the_progress_of_a_running_network_is_in_its_history(made):
    with made.writing("baseA") as writer:
        assert (made.of("baseA").state, made.of("baseA").reached) == (RUNNING, None)
        made.folder("baseA").write_history([line(1, 10), line(2, 20, top1=0.7)])
        found = made.of("baseA")
        assert (found.reached, found.length, found.unit) == (2, 8, "epochs")
        assert (found.top1, found.images_per_second) == (0.7, 640.0)
        assert found.share == 0.25
        # 2 s for two epochs of eight.
        assert found.seconds_left == pytest.approx(6, abs=1)
        # Reading the status has taken no lock.
        writer.check()
    assert made.of("baseA").state == WAITING


@pytest.mark.parametrize("content", ["", '{"epoch": 1'])
def test_a_damaged_history_does_not_hide_other_networks(made, content):
    made.folder("baseB").write_history([line(2, 20)])
    made.folder("baseA").write_history([])
    made.folder("baseA").history.write_text(content, encoding="utf-8")
    with made.writing("baseA"), made.writing("baseB"):
        assert (made.of("baseA").state, made.of("baseA").reached) == (RUNNING, None)
        assert made.of("baseB").reached == 2


@pytest.mark.parametrize(
    ("name", "step", "reached", "words"),
    # Half of the digits are ten batches.
    [("A3B", 125, 125, "125 of 500 iterations"), ("baseB", 40, 4, "4 of 8 epochs")],
)
def test_before_an_evaluation_progress_is_that_of_the_last_save(made, name, step, reached, words):
    made.folder(name).save_resume({"x": torch.zeros(1)}, {}, {"step": step})
    with made.writing(name):
        assert made.of(name).reached == reached
        assert words in "\n".join(drawn(made.look(), 100))


LOST = "TrainingError: baseA (random0, seed 0): the loss is no longer finite in epoch 1"
OF_TORCHRUN = """RuntimeError: [/third_party/gloo/tcp/pair.cc:544] Connection closed by peer
Traceback (most recent call last):
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
=====
transferability FAILED
====="""


@pytest.mark.parametrize(
    ("left", "logged", "state", "why"),
    [
        (signals.Interrupted("SIGTERM"), "", WAITING, status.INTERRUPTED),
        (ArithmeticError(), f"2026-11-23 10:00:01,123 {LOST}", FAILED, LOST),
        # It ended before it wrote.
        (
            None,
            "Traceback (most recent call last):\nOSError: No torch",
            FAILED,
            "OSError: No torch",
        ),
        (ArithmeticError(), f"2026-11-23 10:00:01,123 {LOST}\n{OF_TORCHRUN}", FAILED, LOST),
        (None, "2026-11-23 10:00:01,123 baseA: waiting for process 7 on node1", WAITING, None),
        # It has given no sign of life for this many seconds.
        (50, "", RUNNING, None),
        (70, "", FAILED, status.ENDS["gone"]),
    ],
)
def test_the_state_follows_from_the_writer_and_the_log(made, left, logged, state, why):
    made.folder("baseA").write_history([line(2, 20)])
    if isinstance(left, int):
        made.gone("baseA", ago=left)
    elif left:
        with contextlib.suppress(type(left)), made.writing("baseA"):
            raise left
    log = made.log("networks/random0/seed0/baseA", logged)
    found = made.of("baseA")
    assert (found.state, found.why) == (state, why)
    assert found.log == (str(log) if state == FAILED else None)
    assert found.reached == (2 if left or state == FAILED else None)
    told = f"random0/seed0/baseA{'' if state == WAITING else ' failed'}: {why}"
    assert (told in " ".join("".join(drawn(made.look(), 200)).split())) == (why is not None)


def test_done_networks_have_the_recipe_of_the_study(made):
    made.finish("baseA")
    found = made.of("baseA")
    assert (found.state, found.top1, found.seconds) == (DONE, 0.9, 20.0)
    recipe = {**STUDY["recipe"], "learning_rate": 0.5}
    config.write({**STUDY, "recipe": recipe}, made.results / "study.yaml")
    assert made.of("baseA").state == WAITING
    made.gone("baseB")
    said = board.summary(made.look())
    assert "1 failed, 7 waiting, 1 of these trained before the study was changed" in said


def test_the_remaining_time_comes_from_finished_networks(made):
    for name in ("baseA", "baseB"):
        made.finish(name, seconds=16.0)
    with made.writing("base2B"), made.writing("B0B"):
        found = {network.network: network for network in made.look().networks}
        assert found["base2B"].seconds_left == pytest.approx(32, abs=1)
        assert found["B0B"].seconds_left == pytest.approx(16, abs=1)
        # The other four count iterations; no finished network shows how long these take.
        assert made.look().seconds_left is None
        made.finish("B3B", seconds=50.0)
        # Two at a time.
        assert made.look().seconds_left == pytest.approx((32 + 16 + 3 * 50) / 2, abs=2)
        assert made.look().share == pytest.approx(3 / 8)


def test_the_slow_first_epoch_does_not_count_for_the_others(made):
    # The first epoch took 30 s, the two after it 1 s each.
    lines = [line(1, 10, seconds=30), line(2, 20, seconds=31), line(3, 30, seconds=32)]
    made.folder("baseB").write_history(lines)
    with made.writing("baseB"):
        assert made.of("baseB").seconds == 37
        # Evaluated 42 s after its process began, which includes its start.
        after = time.time() + 42
        os.utime(made.folder("baseB").history, (after, after))
        assert made.of("baseB").seconds == pytest.approx(47, abs=1.1)
        # A finished network is a better estimate than a running one.
        made.finish("baseA", seconds=16.0)
        assert made.of("baseB").seconds == 16


def test_one_slow_network_does_not_change_the_forecast(tmp_path):
    made = Made(tmp_path, config.complete({**STUDY, "seeds": [0, 1, 2]}))
    for seed, seconds in enumerate((16.0, 160.0, 16.0)):
        made.finish("baseA", seconds=seconds, seed=seed)
    assert made.of("baseB").seconds == 16


def test_the_forecast_uses_the_parallelism_so_far(made):
    # For 100 s two ran at a time; one has just ended, and the next has not begun.
    os.utime(made.results / "study.yaml", (time.time() - 100,) * 2)
    for name, ago in (("baseA", 48), ("baseB", 48), ("B0B", 0.1)):
        made.finish(name, seconds=50.0, ago=ago)
    made.finish("B3B", seconds=48.0, ago=-0.9)
    with made.writing("B3B+"):
        # The long base takes 100 s; the other remaining networks take 48 s each.
        assert made.look().seconds_left == pytest.approx((100 + 3 * 48) / 2, rel=0.05)


@pytest.mark.parametrize("how", ["failed", "works", "written"])
@pytest.mark.parametrize("what", ["source P", "prepare_images"])
def test_failed_steps_before_the_networks_are_named(tmp_path, monkeypatch, capsys, what, how):
    source = {"weights": "p.pt", "image_size": 8, "mean": [0.5] * 3, "std": [0.25] * 3}
    study = {"study": "made", "dataset": {"source": "digits"}, "sources": {"P": source}}
    made = Made(tmp_path / "results" / "made", config.complete(study))
    store = images.store_name(made.study["dataset"])
    last, rule = {
        "source P": (made.results / "sources/P/metrics.json", "import_source/P"),
        "prepare_images": (
            tmp_path / "images" / store / "manifest.json",
            f"prepare_images/{store}",
        ),
    }[what]
    log = made.log(rule, "2026-11-29 10:00:00,123 ValueError: 1 of 4 images is bad")
    if how == "written":
        last.parent.mkdir(parents=True)
        last.touch()
    monkeypatch.chdir(tmp_path)
    with lease.sole_writer(last.parent, "work") if how == "works" else contextlib.nullcontext():
        # The study is given by its name; line breaks at 80 characters are removed.
        text = "".join(printed(capsys, "made").split())
    told = f"{what}failed:ValueError:1of4imagesisbad".replace(" ", "")
    assert (told in text) == (str(log.relative_to(tmp_path)) in text) == (how == "failed")


def printed(capsys, *arguments: str) -> str:
    assert main(["status", *arguments]) == 0
    return capsys.readouterr().out


def test_output_without_a_terminal_and_as_json(made, capsys):
    made.finish("baseA")
    made.finish("base2B", learned=False)
    made.gone("baseB")
    text = printed(capsys, str(made.results))
    counts = (
        "2 of 8 networks done, 1 failed, 5 waiting, 1 did not learn, 25 % trained, nothing runs"
    )
    assert " ".join(text.split()).startswith(f"made: {counts}")
    assert "random0/seed0/baseB failed: its process ended" in text
    assert "logs/networks/random0/seed0/baseB.log" in text.replace("\n", "")
    assert "random0/seed0/base2B did not learn: top-1 0.200, chance 0.200" in text
    assert "not above chance by the test on 40 images" in " ".join(text.split())
    assert "\x1b" not in text
    assert text.endswith("\n")
    found = json.loads(printed(capsys, str(made.results), "--json"))
    assert found["counts"] == {"done": 2, "running": 0, "waiting": 5, "failed": 1}
    assert [network["network"] for network in found["networks"]] == NAMES
    assert found["networks"][0]["top1"] == 0.9


def test_watching_waits_for_a_run_and_ends_with_it(tmp_path, capsys, monkeypatch):
    results = tmp_path / "results" / "made"

    def pause(_: float) -> None:
        if not results.exists():
            Made(results)
        else:
            for network in status.look(results).of(WAITING)[:4]:
                Made(results).finish(network.network)

    monkeypatch.setattr(board.time, "sleep", pause)
    lines = printed(capsys, str(results), "--watch", "--json").splitlines()
    assert [json.loads(text)["counts"][DONE] for text in lines] == [0, 4, 8]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("results/mine", "results/mine/study.yaml: does not exist"),
        ("results/mine", "results: made"),
        ("a.zip", "a.zip is not a study that was started"),
        (".", "is not a complete study"),
    ],
)
def test_a_folder_that_is_not_a_study_s_is_an_error(made, tmp_path, caplog, path, told):
    (tmp_path / "a.zip").touch()
    (tmp_path / "study.yaml").write_text("study: half\n")
    assert main(["status", str(tmp_path / path)]) == 1
    assert told in caplog.text


def drawn(found: status.StudyStatus, width: int) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(board.board(found, width))
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [80, 100])
def test_the_board_of_the_largest_study_fits_a_screen(tmp_path, width):
    paper = config.read(ROOT / "studies" / "paper.yaml")
    made = Made(tmp_path, paper)
    for name in ("baseA", "baseB"):
        made.finish(name)
    made.gone("base2B")
    made.folder("B3B+").write_history([line(88.5, 444_000)])
    with made.writing("B3B+"):
        found = made.look()
    assert len(found.networks) == 1460
    lines = drawn(found, width)
    assert len(lines) < 24
    assert all(len(text) <= width for text in lines)
    text = "\n".join(lines)
    words = ("1,460 networks", "waiting:", "transfer+", "running", "failed", "done", "log:")
    assert all(word in text for word in (*words, "444,000"))
    # Nothing is cut off.
    assert "…" not in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_names_of_a_search_fit_a_screen(tmp_path, width):
    rates = {"learning_rate": [0.01, 0.03], "copied_learning_rate": [0.1, 1.0]}
    made = Made(tmp_path, config.complete({**STUDY, "overrides": [], "search": rates}))
    name = "A3B+_lr0.01_copied0.1"
    made.folder(name).write_history([line(3, 30)])
    with made.writing(name):
        lines = drawn(made.look(), width)
    assert all(len(text) <= width for text in lines)
    words = " ".join(lines).split()
    if width > 60:
        assert f"random0/seed0/{name}" in words
    for word in ("network", "state", "trained", "top-1", "time", "running", "epochs", "0.500"):
        assert word in words, lines


@pytest.mark.parametrize("watch", [False, True])
def test_a_terminal_shows_the_board(made, watch):
    for name in NAMES:
        made.finish(name)
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    board.show(made.results, watch, as_json=False, console=console)
    text = console.file.getvalue()
    assert "made: 8 of 8 networks done, 100 % trained" in text
    assert "random0/seed0/A3B+" in text


def test_every_network_of_a_run_is_done_after_it(finished, capsys):
    text = printed(capsys, str(finished.results))
    assert text.startswith("tiny: 14 of 14 networks done, 100 % trained")
    assert all(network.reached in (10, 20) for network in status.look(finished.results).networks)


def test_study_yaml_in_the_results_is_the_study_that_was_run(finished):
    written = config.read(finished.results / "study.yaml")
    assert written == config.read(finished.folder / "study.yaml")
