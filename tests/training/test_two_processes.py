"""What two processes train together, also where one of them is killed under torchrun."""

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from decamo.checkpoint.load_save import load_checkpoint
from decamo.cli import main
from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain, merged, to_plain
from decamo.storage import RunFolder
from decamo.storage.sealed import load_sealed
from decamo.training.data_splits import find_splits
from decamo.training.prepare import prepare
from decamo.training.runtime import close_runtime, open_runtime
from tests.training.conftest import tiny_settings
from tests.training.dying import die_once
from tests.training.test_torchrun import assert_same_end, in_peace, train_words
from tests.two_processes import fork_two, free_port, in_one_process, in_two_processes


def _train(settings: TrainSettings) -> None:
    folder = RunFolder(settings.run.checkpoint_dir)
    path = settings.run.resume_from
    checkpoint = None if path is None else load_checkpoint(path)
    runtime = open_runtime("cpu", "fp32")
    with runtime.main_first():
        images = find_splits(
            settings.data, folder.census, lambda *_: None, keep=runtime.is_main,
            checkpoint=checkpoint,
        )  # fmt: skip
    prepared = prepare(
        settings, folder, runtime, images, checkpoint, stop=lambda: "", clock=lambda: 0.0
    )
    list(prepared.trainer.run())
    runtime.part()
    close_runtime(runtime)


def _some(settings: TrainSettings, steps: int) -> None:
    """Train so many steps alone, and save."""
    folder, asked = RunFolder(settings.run.checkpoint_dir), iter(range(1000))
    runtime = open_runtime("cpu", "fp32")
    images = find_splits(settings.data, folder.census, lambda *_: None)
    prepared = prepare(
        settings, folder, runtime, images, None, clock=lambda: 0.0,
        stop=lambda: "enough" if next(asked) + 1 >= steps else "",
    )  # fmt: skip
    prepared.trainer.validator.stop = lambda: ""
    list(prepared.trainer.run())


def _worker(rank: int, runs: list[tuple[int, dict[str, dict[str, Any]]]]) -> None:
    torch.set_num_threads(1)
    for port, plain in runs:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                       "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
        _train(from_plain(plain))


@dataclass(frozen=True)
class Both:
    """The same run by one process and, all of it or its end, by two."""

    one: TrainSettings
    two: TrainSettings

    def ends(self) -> tuple[dict[str, Any], dict[str, Any]]:
        one, two = (load_sealed(s.run.checkpoint_dir / "last.pth") for s in (self.one, self.two))
        return one, two


def _halves(scenes: Path, root: Path) -> Both:
    """11 images in global micro-batches of 2: the last share of one process is empty."""
    # Adam's first steps divide tiny gradients by themselves; plain rates keep rounding small.
    short = {
        "epochs": 2,
        "stage1_epochs": 1,
        "accumulation_steps": 2,
        "lr": 1e-5,
        "stage2_lr": 1e-5,
    }
    one, two = (
        tiny_settings(scenes, root / f"of-{images}",
                      schedule=short | {"batch_size": images, "stage2_batch_size": images})
        for images in (2, 1)
    )  # fmt: skip
    return Both(one, two)


def _moved(scenes: Path, root: Path) -> Both:
    """Begun alone, stopped in the middle of an epoch, and to go on with two processes."""
    schedule = {
        "epochs": 2, "stage1_epochs": 1, "batch_size": 3, "stage2_batch_size": 3,
        "accumulation_steps": 2, "lr": 1e-5, "stage2_lr": 1e-5,
    }  # fmt: skip
    alone, moved = (
        tiny_settings(scenes, root / name, schedule=schedule) for name in ("alone", "moved")
    )
    moved.run.checkpoint_dir.mkdir()
    _some(moved, 1)
    last = moved.run.checkpoint_dir / "last.pth"
    assert load_checkpoint(last).position.micro == 2  # of the four of its first epoch
    onward = from_plain(merged(to_plain(moved), {"run": {"resume_from": str(last)}}))
    return Both(alone, onward)


@dataclass(frozen=True)
class Done:
    """What two processes have trained, one run after the other.

    Attributes:
        halves: the same run by one and by two.
        moved: one that was begun alone.
    """

    halves: Both
    moved: Both


@dataclass(frozen=True)
class Killed:
    """A run under torchrun, one process of which was killed.

    Attributes:
        peace: folder of the same run that nobody disturbed.
        folder: its own.
        out: what it said.
        err: and complained of.
    """

    peace: Path
    folder: Path
    out: Path
    err: Path


@pytest.fixture(scope="module")
def done(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All that they do is done here: a process takes longer to import torch than to train this."""
    root = tmp_path_factory.mktemp("processes")
    halves, moved = _halves(scenes, root), _moved(scenes, root)
    halves.two.run.checkpoint_dir.mkdir()
    for both in (halves, moved):
        both.one.run.checkpoint_dir.mkdir()
        _train(both.one)
    runs = [(free_port(), to_plain(both.two)) for both in (halves, moved)]
    in_two_processes(_worker, runs)
    return Done(halves, moved)


@pytest.fixture
def killed(scenes: Path, tmp_path: Path) -> Killed:
    """Torchrun's agent, too, forks its processes from the one that has imported all."""
    run = Killed(*(tmp_path / name for name in ("peace", "killed", "out", "err")))
    words = [[*train_words(scenes, folder), "--epochs", "2"] for folder in (run.peace, run.folder)]
    in_one_process(_in_peace_and_killed, free_port(), *words, run.out, run.err)
    return run


def _in_peace_and_killed(
    port: int, peace: list[str], killed: list[str], out: Path, err: Path
) -> None:
    fork_two(in_peace, port, peace)
    for number, path in ((1, out), (2, err)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    # it logs a traceback of its own where a function, not a program, has been killed
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)
    once = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=2, max_restarts=1, start_method="fork",
        run_id="kill", rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0", monitor_interval=0.1,
    )  # fmt: skip
    elastic_launch(once, _dying)(killed)


def _dying(words: list[str]) -> None:
    torch.set_num_threads(1)
    die_once("step", "1")
    assert main(words) == 0


def test_two_processes_train_what_one_trains_with_twice_the_micro_batch(
    done: Done,
) -> None:
    a, b = done.halves.ends()
    assert a["position"] == b["position"]
    assert a["history"][-1]["loss"] == pytest.approx(b["history"][-1]["loss"], rel=1e-3)
    assert a["history"][-1]["iou"] == pytest.approx(b["history"][-1]["iou"], abs=1e-3)
    for name, weight in a["model"].items():
        # the experts' usage is a mean over processes, whichever had no image in a step
        slack = 2e-3 if name.endswith("usage") else 2e-5
        torch.testing.assert_close(weight, b["model"][name], rtol=1e-3, atol=slack)


def test_other_device_counts_keep_the_plan_and_the_images_of_each_step(
    done: Done,
) -> None:
    a, b = done.moved.ends()
    assert a["position"] == b["position"]
    assert len(a["ledger"]) == len(b["ledger"]) == 1  # no branch
    for name, weight in a["model"].items():
        slack = 2e-3 if name.endswith("usage") else 2e-5
        torch.testing.assert_close(weight, b["model"][name], rtol=1e-3, atol=slack)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="torchrun with gloo, on Linux")
def test_a_killed_process_costs_nothing(killed: Killed) -> None:
    """It is killed in a step; the other one says so in a line, and both go on by themselves."""
    assert "goes on from its newest checkpoint by itself" in killed.out.read_text()
    err = killed.err.read_text()
    said = [line for line in err.splitlines() if line.startswith("decamo: torchrun: ")]
    assert len(said) == 1
    assert "process 1 (" in said[0]
    assert "is gone; it was last heard of in epoch 1" in said[0]
    assert "Traceback" not in err
    assert_same_end(killed.peace, killed.folder)
