import fcntl
import multiprocessing as mp
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from decamo.data.cache import cache_identity, opening
from decamo.data.cache.identity import square_of
from decamo.data.cache.opening import free_on, open_on_disk, whole_file
from decamo.data.pairs import Pair
from decamo.errors import StorageError

PAIRS = tuple[Pair, ...]


def opened(folder: Path, pairs: PAIRS, told: list[tuple[int, int]] | None = None) -> Any:
    heard: list[tuple[int, int]] = [] if told is None else told
    return open_on_disk(
        folder, pairs, 64, workers=0, on_progress=lambda *at: heard.append(at), sleep=lambda s: None
    )


def file_of(folder: Path, pairs: PAIRS) -> Path:
    return folder / f"{cache_identity(pairs, 64)}.squares"


def test_it_is_built_once(pairs: PAIRS, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    opened(tmp_path / "a" / "b", pairs, told)
    assert told[-1] == (5, 5)
    told.clear()
    again = opened(tmp_path / "a" / "b", pairs, told)
    assert told == []
    assert torch.equal(again.square(2), square_of(pairs[2], 64))
    names = {path.suffix for path in (tmp_path / "a" / "b").iterdir()}
    assert names == {".squares", ".lock"}


@pytest.mark.parametrize("harm", ["cut", "grown", "head", "empty", "gone"])
def test_what_is_not_whole_is_built_anew(pairs: PAIRS, tmp_path: Path, harm: str) -> None:
    opened(tmp_path, pairs)
    path = file_of(tmp_path, pairs)
    held = path.read_bytes()
    assert whole_file(path, cache_identity(pairs, 64), 5, 64)
    if harm == "gone":
        path.unlink()
    else:
        harmed = {"cut": held[:-1], "grown": held + b"x", "head": b"\0" * 4096, "empty": b""}[harm]
        path.write_bytes(harmed + (held[4096:] if harm == "head" else b""))
    assert not whole_file(path, cache_identity(pairs, 64), 5, 64)
    assert torch.equal(opened(tmp_path, pairs).square(4), square_of(pairs[4], 64))
    assert path.read_bytes() == held


def _slow(folder: Path, pairs: PAIRS, began: Any) -> None:
    def dawdle(done: int, total: int) -> None:
        if done == 3:
            began.set()
            time.sleep(60)

    open_on_disk(folder, pairs, 64, workers=0, on_progress=dawdle)


def test_a_kill_leaves_nothing_that_could_be_read_and_no_lock(pairs: PAIRS, tmp_path: Path) -> None:
    context = mp.get_context("fork")
    began = context.Event()
    builder = context.Process(target=_slow, args=(tmp_path, pairs, began))
    builder.start()
    assert began.wait(30)
    assert not file_of(tmp_path, pairs).exists()
    assert len(list(tmp_path.glob("*.part"))) == 1
    assert builder.pid
    os.kill(builder.pid, signal.SIGKILL)
    builder.join()
    assert torch.equal(opened(tmp_path, pairs).square(1), square_of(pairs[1], 64))
    assert list(tmp_path.glob("*.part")) == []


def test_of_two_builders_one_waits_and_takes_what_the_other_made(
    pairs: PAIRS, tmp_path: Path
) -> None:
    lock = (tmp_path / f"{cache_identity(pairs, 64)}.lock").open("ab")
    fcntl.flock(lock, fcntl.LOCK_EX)
    opened(tmp_path / "other", pairs)
    told: list[tuple[int, int]] = []
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:  # the other one is ready
            file_of(tmp_path / "other", pairs).rename(file_of(tmp_path, pairs))
            lock.close()

    open_on_disk(
        tmp_path, pairs, 64, workers=0, on_progress=lambda *at: told.append(at), sleep=sleep
    )
    assert len(waits) == 3
    assert told == []


def test_without_locks_each_builds_its_own(
    pairs: PAIRS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("decamo.system.fcntl.flock", no_locks)
    other = tmp_path / f"{cache_identity(pairs, 64)}.123.part"
    other.touch()
    assert torch.equal(opened(tmp_path, pairs).square(0), square_of(pairs[0], 64))
    assert other.exists(), "it may be under way"


def test_an_interruption_leaves_nothing(pairs: PAIRS, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_on_disk(tmp_path / "kept", pairs, 64, workers=0, on_progress=interrupt)
    assert [path.suffix for path in (tmp_path / "kept").iterdir()] == [".lock"]


def test_a_full_disk_is_told_before_anything_is_decoded(
    pairs: PAIRS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    told: list[tuple[int, int]] = []
    with pytest.raises(StorageError, match=r"No space left.*--cache-dir.*--cache off"):
        opened(tmp_path, pairs, told)
    assert told == []
    assert list(tmp_path.glob("*.part")) == []


def test_a_folder_that_cannot_be_is_told(pairs: PAIRS, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="--cache off"):
        opened(tmp_path / "file" / "below", pairs)


def test_free_bytes(tmp_path: Path) -> None:
    assert free_on(tmp_path / "not" / "there") > 0
    assert opening.free_on(Path("/proc/nothing")) == 0 or not Path("/proc").exists()
