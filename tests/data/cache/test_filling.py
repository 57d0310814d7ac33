import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from decamo.data.cache import sample_sources
from decamo.data.cache.identity import square_of
from decamo.data.cache.sample_sources import Stored, fill
from decamo.data.pairs import Pair
from decamo.data.waiting import Ear, StopAsked
from decamo.errors import DataStalled, StorageError, UnreadableImage

PAIRS = tuple[Pair, ...]


@pytest.mark.parametrize("workers", [0, 2])
def test_each_square_lies_in_its_place(
    pairs: PAIRS, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_sources, "_FEW", 1)
    path, told = tmp_path / "squares", []
    path.write_bytes(b"head")
    fill(path, pairs, 64, start=4, workers=workers, on_progress=lambda *at: told.append(at))
    assert told == [(n, 5) for n in range(1, 6)]
    stored = Stored(path, 5, 64, start=4)
    for index, pair in enumerate(pairs):
        assert torch.equal(stored.square(index), square_of(pair, 64))
    assert path.read_bytes()[:4] == b"head"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_cannot_be_decoded_is_named(
    pairs: PAIRS, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_sources, "_FEW", 1)
    pairs[2].mask.write_bytes(pairs[2].mask.read_bytes()[:60])
    path = tmp_path / "squares"
    path.touch()
    with pytest.raises(UnreadableImage, match=r"2\.png"):
        fill(path, pairs, 64, start=0, workers=workers, on_progress=lambda *at: None)


def test_a_process_that_dies_of_a_file_names_it(
    pairs: PAIRS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_sources, "_FEW", 1)
    monkeypatch.setattr(sample_sources, "_task", _dies_of_3)
    path = tmp_path / "squares"
    path.touch()
    with pytest.raises(UnreadableImage, match=r"3\.jpg.* was killed \(SIGKILL"):
        fill(path, pairs, 64, start=0, workers=1, on_progress=lambda *at: None)


def _dies_of_3(image: str, *_: str) -> dict[str, object]:
    if image.endswith("3.jpg"):
        os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_a_file_that_cannot_be_written_is_told_by_other_processes_too(
    pairs: PAIRS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="No such file"):
        fill(tmp_path / "no", pairs, 64, start=0, workers=0, on_progress=lambda *at: None)
    monkeypatch.setattr(sample_sources, "_FEW", 1)
    with pytest.raises(StorageError, match="No such file"):
        fill(tmp_path / "no", pairs, 64, start=0, workers=1, on_progress=lambda *at: None)


@pytest.mark.parametrize("workers", [1, 3])
def test_what_a_process_that_was_killed_had_is_made_by_another(
    pairs: PAIRS, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_sources, "_FEW", 1)
    monkeypatch.setattr(sample_sources, "_task", _dies_of_3_once)
    path = tmp_path / "squares"
    path.touch()
    fill(path, pairs, 64, start=0, workers=workers, on_progress=lambda *at: None)
    assert (tmp_path / "died").exists()
    for index, pair in enumerate(pairs):
        assert torch.equal(Stored(path, 5, 64).square(index), square_of(pair, 64))


_real_task = sample_sources._task


def _dies_of_3_once(image: str, *words: str) -> dict[str, object]:
    mark = Path(words[2]).with_name("died")
    if image.endswith("3.jpg") and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return _real_task(image, *words)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("reason", ["", "the budget of 1h is over"])
def test_what_is_never_read_to_its_end_is_named_and_a_reason_to_stop_is_heard(
    pairs: PAIRS, tmp_path: Path, workers: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_sources, "_FEW", 1)
    fifo, path = tmp_path / "stalled.jpg", tmp_path / "squares"
    os.mkfifo(fifo)
    path.touch()
    stuck = (*pairs[:3], replace(pairs[3], image=fifo), pairs[4])
    ear = Ear(lambda: reason, give_up_s=600.0 if reason else 1.0)
    kind = StopAsked if reason else DataStalled
    with pytest.raises(kind, match=reason or r"stalled\.jpg"):
        fill(path, stuck, 64, start=0, workers=workers, on_progress=lambda *at: None, ear=ear)
    with os.fdopen(os.open(fifo, os.O_RDWR | os.O_NONBLOCK), "wb"):
        time.sleep(0.05)  # a thread that waits for it is let go
