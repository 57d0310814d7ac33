"""A file that is never read to its end keeps no command from hearing, naming it and ending."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from decamo.cli import main
from decamo.data.waiting import Ear
from tests.commands.conftest import STUCK_FLAGS
from tests.evaluation.conftest import square, write_greys

# Pillow drops a pipe that cannot be sought in
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Stall = Callable[[Path], Path]


@pytest.fixture
def stall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stall]:
    """Puts a pipe that nobody writes in the place of a file: whoever opens it waits."""
    # a folder's listing leaves pipes out: a disk that does not answer has files
    monkeypatch.setattr("decamo.data.pairs._is_file", lambda entry: not entry.is_dir())
    pipes: list[Path] = []

    def put(path: Path) -> Path:
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
        pipes.append(path)
        return path

    yield put
    for pipe in pipes:
        with os.fdopen(os.open(pipe, os.O_RDWR | os.O_NONBLOCK), "wb"):
            time.sleep(0.05)  # threads that wait for it are let go


def maps_of_two(folder: Path) -> tuple[Path, Path]:
    greys = {stem: square(4, 5, 9) for stem in ("a", "b")}
    return write_greys(folder / "GT", greys), write_greys(folder / "maps", greys)


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_predict_names_it_leaves_it_out_and_goes_on(
    trained: Path,
    scenes: Path,
    tmp_path: Path,
    stall: Stall,
    kind: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A PNG may have 16 bits, so that it is looked at before."""
    pipe = stall(tmp_path / f"in/a.{kind}")
    (tmp_path / "in/b.png").symlink_to(next((scenes / "Test/GT_Object").iterdir()))
    began = time.monotonic()
    words = ["predict", str(trained), str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert main([*words, "--data-timeout", "1s"]) == 2
    said = capsys.readouterr()
    assert f"left out: {pipe}: no data for 1 s" in said.err
    assert "1 map in" in said.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.png"]
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("place", ["GT/a.png", "maps/a.png"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_evaluate_names_it_and_ends(
    tmp_path: Path, stall: Stall, place: str, workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    masks, maps = maps_of_two(tmp_path)
    pipe = stall(tmp_path / place)
    words = ["evaluate", "--masks", f"S={masks}", "--predictions", f"M={maps}"]
    assert main([*words, "--workers", workers, "--data-timeout", "1s"]) == 2
    err = capsys.readouterr().err
    assert f"{pipe}: no data for 1 s" in err
    assert "--data-timeout waits longer" in err


def test_evaluate_of_a_network_names_an_image_that_does_not_come(
    trained: Path, scenes: Path, tmp_path: Path, stall: Stall, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((scenes / "Test").rglob("*.*")):
        link = tmp_path / "S/Test" / path.relative_to(scenes / "Test")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    pipe = stall(next(iter(sorted((tmp_path / "S/Test/Image").iterdir()))))
    words = ["evaluate", str(trained), "--dataset-path", str(tmp_path / "S")]
    assert main([*words, "--data-timeout", "1s"]) == 2
    assert f"{pipe}: no data for 1 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sign", "code", "words"),
    [
        (["--budget", "1s"], None, 2, "--budget: got 1s, over before the first step"),
        (["--data-timeout", "1s"], None, 2, "no data for 1 s"),
        ([], signal.SIGTERM, 143, "stopped at once"),
        ([], signal.SIGHUP, 129, "stopped at once"),
    ],
    ids=["budget", "timeout", "SIGTERM", "SIGHUP"],
)
def test_training_hears_while_it_looks_at_the_images(
    tmp_path: Path,
    stall: Stall,
    more: list[str],
    sign: signal.Signals | None,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_greys(tmp_path / "S/Imgs", {stem: square(4, 5, 9) for stem in "abcdef"})
    write_greys(tmp_path / "S/GT", {stem: square(4, 5, 9) for stem in "abcdef"})
    stall(tmp_path / "S/Imgs/c.png")
    heed, left = Ear.heed, [sign] if sign is not None else []

    def asked(ear: Ear) -> None:
        if left and threading.current_thread() is threading.main_thread():
            signal.raise_signal(left.pop())  # once, in this thread: a second one ends the process
        heed(ear)

    monkeypatch.setattr(Ear, "heed", asked)
    folder = tmp_path / "run"
    command = ["train", "--dataset-path", str(tmp_path / "S"), "--checkpoint-dir", str(folder)]
    assert main([*command, *STUCK_FLAGS, "--epochs", "2", "--stage1-epochs", "1", *more]) == code
    assert words in capsys.readouterr().err
    assert multiprocessing.active_children() == []
