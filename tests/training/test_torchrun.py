"""Runs of two processes under torchrun, of which one is killed: the end is that of one in peace."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from decamo.cli import main
from decamo.storage.sealed import load_sealed
from scripts.soak import differences, end_all, end_of
from tests.training.dying import PLACES
from tests.two_processes import free_port, in_two_processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="torchrun with gloo, on Linux")
DYING = Path(__file__).parent / "dying.py"


def _command(scenes: Path, folder: Path, *words: str, restarts: int = 1) -> list[str]:
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"),
        *(f"--max-restarts={restarts}", str(DYING), *words, *train_words(scenes, folder)),
    ]


def train_words(scenes: Path, folder: Path) -> list[str]:
    return [
        *(
            "train",
            "--dataset-path",
            str(scenes),
            "--checkpoint-dir",
            str(folder),
            "--no-pretrained",
        ),
        *("--backbone", "test_efficientnet", "--num-experts", "3", "--img-size", "32"),
        *("--batch-size", "1", "--stage2-batch-size", "1", "--accumulation-steps", "2"),
        *("--epochs", "3", "--stage1-epochs", "1", "--use-ema", "--num-workers", "0"),
        *("--device", "cpu", "--val-fraction", "0.2", "--tracker", "none"),
    ]


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run it; nothing of it outlives this call."""
    run = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        out, err = run.communicate(timeout=300)
    finally:
        end_all(run)
    return subprocess.CompletedProcess(words, run.returncode, out, err)


@pytest.fixture(scope="module")
def peace(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two processes that nobody watches over."""
    folder = tmp_path_factory.mktemp("peace") / "run"
    in_two_processes(in_peace, free_port(), train_words(scenes, folder))
    return folder


def in_peace(rank: int, port: int, words: list[str]) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
    assert main(words) == 0


def assert_same_end(a: Path, b: Path) -> None:
    for name in ("last.pth", "best_model.pth"):
        assert differences(end_of(a / name), end_of(b / name)) == []


def _journal(folder: Path, word: str) -> list[dict[str, Any]]:
    lines = (folder / "journal.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line.get("kind") == word]


@pytest.mark.long
@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.parametrize("place", sorted(PLACES))
def test_wherever_it_is_killed(
    scenes: Path, peace: Path, tmp_path: Path, place: str, rank: str
) -> None:
    done = _run(_command(scenes, tmp_path / "run", place, rank))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert_same_end(peace, tmp_path / "run")


@pytest.mark.long
def test_a_machine_that_goes_leaves_the_other_one(scenes: Path, tmp_path: Path) -> None:
    """Two agents, as on two machines; one is killed with its process, and the other goes on."""
    port, folder = free_port(), tmp_path / "run"
    words = _command(scenes, folder, "step", "none", restarts=3)
    words[3:4] = ["--nproc-per-node=1", "--nnodes=1:2", "--rdzv-backend=c10d", "--rdzv-id=1",
                  f"--rdzv-endpoint=localhost:{port}"]  # fmt: skip
    words += ["--epochs", "200"]
    log = (tmp_path / "log").open("w+")
    first, second = (
        subprocess.Popen(words, stdout=out, stderr=out, env=os.environ | {"OMP_NUM_THREADS": "1"})
        for out in (log, subprocess.DEVNULL)
    )
    try:
        while not (folder / "journal.jsonl").exists() or len(_journal(folder, "epoch")) < 5:
            assert first.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        end_all(second)
        assert first.wait(timeout=300) == 0, (tmp_path / "log").read_text()
    finally:
        for one in (first, second):
            end_all(one)
        log.close()
    state = load_sealed(folder / "last.pth")
    assert state["position"]["epoch"] == 200
    assert len(state["ledger"]) == 1  # no branch
    assert "devices 2 -> 1: the same 4 images a step" in (tmp_path / "log").read_text()


@pytest.mark.long
def test_a_spent_budget_is_not_spent_again(scenes: Path, tmp_path: Path) -> None:
    """torchrun starts the processes anew after exit code 75; they end at once."""
    words = [*_command(scenes, tmp_path / "run", "step", "none"), "--budget", "20s"]
    done = _run([*words, "--epochs", "100000"])
    assert done.returncode == 1
    assert "exitcode  : 75" in done.stderr
    assert "the budget of 20s is spent" in done.stderr  # what torchrun says of it
    assert len(_journal(tmp_path / "run", "run")) <= 2
    assert (tmp_path / "run" / "last.pth").exists()


@pytest.mark.long
def test_random_kills() -> None:
    words = ["scripts/soak.py", "--torchrun", "2", "--kills", "3", "--epochs", "12"]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, *words], cwd=root, capture_output=True, text=True, check=False
    )
    assert "3 kills, 0 lost; the end is bit-equal" in done.stdout, done.stdout + done.stderr
