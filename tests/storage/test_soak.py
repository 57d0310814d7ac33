"""A run cannot be lost: every save is broken off at every call to the disk, in every way."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from decamo.errors import StorageError
from decamo.storage import RunFolder, check_space, previous_of
from decamo.storage.sealed import load_sealed, save_sealed
from tests.storage import faults
from tests.storage.faults import SAVES, Faults, calls_of, check, epoch_of, prepared, state_at

PROGRAM = Path(faults.__file__)


def survived(root: Path, pieces: int, saved: str, *modes: str) -> int:
    """Deaths survived, as the program of :mod:`tests.storage.faults` counts them."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(root / "run"), str(pieces), saved, *modes],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout.removeprefix("survived "))


def test_killed_at_any_call_nothing_is_lost(tmp_path: Path) -> None:
    assert survived(tmp_path, 1, "4", "kill") > 35


@pytest.mark.long
def test_killed_without_power_or_links_nothing_is_lost(tmp_path: Path) -> None:
    modes = ("kill", "power", "kill, no links", "power, no links")
    assert survived(tmp_path, 4, "0,1,4", *modes) > 600


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is injected here does not depend on the disk's own pace."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def failing(number: int) -> Callable[[str, int | None], NoReturn]:
    def fail(kind: str, descriptor: int | None) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.usefixtures("unsynced")
@pytest.mark.parametrize(
    "number",
    [errno.ENOSPC, *(pytest.param(n, marks=pytest.mark.long) for n in (errno.EROFS, errno.EIO))],
    ids=os.strerror,
)
@pytest.mark.parametrize("name", SAVES)
def test_an_error_at_any_call_keeps_the_old_checkpoint(
    tmp_path: Path, name: str, number: int
) -> None:
    save = SAVES[name]
    calls = calls_of(tmp_path / "run", save, 3, 1)
    told = 0
    for at in range(1, calls + 1):
        folder = prepared(tmp_path / "run", save, 3)
        error: StorageError | None = None
        try:
            with Faults(at, failing(number), 1).installed():
                save(folder, 4)
        except StorageError as caught:
            error = caught
        if error is None:  # the call had another way: a copy in the place of a link
            assert epoch_of(folder.last) == 4
        else:
            told += 1
            assert len(str(error).splitlines()) == 1
            assert os.strerror(number) in error.got
            assert error.remedy
        check(folder, 4, save)
    assert told > calls // 2


@pytest.mark.usefixtures("unsynced")
def test_the_first_save_that_fails_leaves_nothing(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with Faults(2, failing(errno.ENOSPC), 1).installed(), pytest.raises(StorageError):
        save_sealed(folder.last, state_at(1))

    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_call_is_met(tmp_path: Path) -> None:
    # A test that breaks nothing would pass for ever.
    met: set[str] = set()
    for save in SAVES.values():
        counting = Faults(0, lambda kind, descriptor: None, 1)
        folder = prepared(tmp_path / "run", save, 3)
        with counting.installed():
            save(folder, 4)
        met |= set(counting.kinds)
    assert met == {"write", "fsync", "rename", "link", "unlink"}


def test_without_room_no_byte_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path)
    save_sealed(folder.last, state_at(1))
    save_sealed(folder.last, state_at(2))
    before = {path: path.stat().st_ino for path in tmp_path.iterdir()}

    def full(path: Path, needed: int) -> None:
        check_space(path, needed + 10**18)

    monkeypatch.setattr("decamo.storage.sealed.check_space", full)
    with pytest.raises(StorageError, match="are needed and"):
        save_sealed(folder.last, state_at(3))

    assert {path: path.stat().st_ino for path in tmp_path.iterdir()} == before
    assert load_sealed(previous_of(folder.last))["position"]["epoch"] == 1
