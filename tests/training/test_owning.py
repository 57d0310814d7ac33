import os
from dataclasses import replace
from pathlib import Path

import pytest

from decamo.data.waiting import StopAsked
from decamo.errors import FolderInUse
from decamo.storage.owner_file import Holder, holder_in, newest_number, owner_path
from decamo.training import owning
from decamo.training.owning import own_in_time


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """A folder that a living process has: the one that started the tests."""
    holder = replace(Holder.this(), process=os.getppid(), started="")
    owner_path(tmp_path, 1).write_bytes(holder.to_bytes())
    return tmp_path


def unwanted(_seconds: float) -> None:
    raise AssertionError("nothing is to be waited for")


def test_a_folder_is_owned_as_soon_as_the_other_process_is_gone(taken: Path) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            owner_path(taken, 1).unlink()

    with own_in_time(taken, stop=str, say=lambda _: None, sleep=sleep) as owned:
        holder = holder_in(owner_path(taken, newest_number(taken)))
        assert holder is not None
        assert holder.process == os.getpid() == owned.holder.process
    assert len(waits) == 3
    assert list(taken.iterdir()) == []


def test_a_folder_that_is_free_is_made_and_not_waited_for(tmp_path: Path) -> None:
    root = tmp_path / "a" / "trial"
    with own_in_time(root, stop=lambda: "enough", say=lambda _: None, sleep=unwanted):
        assert len(list(root.iterdir())) == 1


def test_the_wait_can_be_left(taken: Path) -> None:
    with (
        pytest.raises(StopAsked, match="enough"),
        own_in_time(taken, stop=lambda: "enough", say=lambda _: None, sleep=unwanted),
    ):
        raise AssertionError("it is another's")


def test_an_owner_that_stays_is_named_in_the_end(
    taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owning, "_GIVES_WAY", -1.0)
    with (
        pytest.raises(FolderInUse, match=f"is in use: process {os.getppid()} on"),
        own_in_time(taken, stop=str, say=lambda _: None, sleep=unwanted),
    ):
        raise AssertionError("it is another's")
