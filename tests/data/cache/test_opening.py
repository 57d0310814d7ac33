from pathlib import Path
from typing import Any

import pytest
import torch

from decamo.data.cache import opening
from decamo.data.cache.opening import Choice, Pool, choose_cache, open_cache
from decamo.data.cache.sample_sources import Fresh, SampleSource, Stored
from decamo.data.pairs import Pair
from decamo.system import cache_folder

GB = 10**9
ROOMY: dict[str, Any] = {
    "needed": 3 * GB,
    "copies": 1,
    "epochs": 50,
    "memory": 20 * GB,
    "disk": 90 * GB,
    "found": False,
}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({}, "ram"),
        ({"found": True}, "disk"),
        ({"found": True, "epochs": 1, "memory": 0, "disk": 0}, "disk"),
        ({"epochs": 2}, "none"),
        ({"epochs": 3}, "ram"),
        ({"memory": 6 * GB}, "ram"),
        ({"memory": 6 * GB - 1}, "disk"),
        ({"copies": 4}, "disk"),
        ({"memory": 0, "disk": 34 * GB // 10}, "disk"),
        ({"memory": 0, "disk": 32 * GB // 10}, "none"),
        ({"memory": 0, "disk": 0}, "none"),
    ],
)
def test_auto_takes_memory_then_disk_then_nothing(changes: dict[str, Any], where: str) -> None:
    choice = choose_cache("auto", **(ROOMY | changes))
    assert choice.where == where
    assert choice.why


@pytest.mark.parametrize("mode", ["ram", "disk"])
def test_what_is_asked_for_is_not_second_guessed(mode: str) -> None:
    poor = ROOMY | {"epochs": 1, "memory": 0, "disk": 0}
    assert choose_cache(mode, **poor) == Choice(mode, "3.0 GB, as asked for")


@pytest.mark.parametrize("mode", ["auto", "ram", "disk"])
def test_one_line_says_what_was_chosen_and_why(
    mode: str, pairs: tuple[Pair, ...], tmp_path: Path
) -> None:
    said: list[str] = []
    told: list[tuple[int, int]] = []
    source = open_cache(
        mode,
        pairs,
        32,
        folder=tmp_path / "kept",
        epochs=9,
        copies=1,
        workers=0,
        pool=Pool(),
        say=said.append,
        on_progress=lambda *at: told.append(at),
    )
    assert isinstance(source, Stored)
    (line,) = said
    assert line.startswith(f"--cache {mode}: ")
    assert "images at 64 px to train at 32" in line
    assert told[-1] == (5, 5)
    assert (tmp_path / "kept").exists() == (mode == "disk")


def test_no_room_reads_the_files_at_the_same_side(
    pairs: tuple[Pair, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "free_memory", lambda: 0)
    monkeypatch.setattr(opening, "free_on", lambda folder: 0)
    said: list[str] = []
    source = open_cache(
        "auto",
        pairs,
        32,
        folder=tmp_path,
        epochs=9,
        copies=1,
        workers=0,
        pool=Pool(),
        say=said.append,
        on_progress=lambda *at: None,
    )
    assert source == Fresh(pairs, 64)
    assert "find no room" in said[0]


@pytest.mark.parametrize(
    ("memory", "disk", "where", "kind"),
    [
        (10_000, 10**9, "disk (", Stored),  # less than the squares need
        (10_000, 0, "none", Fresh),
        (0, 10**9, "ram", Stored),  # unknown: what was asked for is tried
        (10**9, 0, "ram", Stored),
    ],
)
def test_asked_for_memory_that_is_short_takes_the_disk_or_the_files(
    pairs: tuple[Pair, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    memory: int,
    disk: int,
    where: str,
    kind: type[SampleSource],
) -> None:
    monkeypatch.setattr(opening, "free_memory", lambda: memory)
    monkeypatch.setattr(opening, "free_on", lambda folder: disk)
    said: list[str] = []
    source = _opened("ram", pairs, tmp_path, said)
    assert type(source) is kind
    assert said[0].startswith(f"--cache ram: {where}")
    assert ("as asked for, of" in said[0]) == (0 < memory < 10**9)
    for index in range(len(pairs)):
        assert torch.equal(source.square(index), Fresh(pairs, 64).square(index))


def test_memory_that_runs_out_while_it_is_filled_reads_the_files(
    pairs: tuple[Pair, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("decamo.data.cache.sample_sources.fill", full)
    said: list[str] = []
    assert _opened("ram", pairs, tmp_path, said) == Fresh(pairs, 64)
    assert said[1] == (
        "--cache ram: No space left on device: files are read each time; the pixels are the same"
    )


def _opened(mode: str, pairs: tuple[Pair, ...], folder: Path, said: list[str]) -> SampleSource:
    return open_cache(
        mode,
        pairs,
        32,
        folder=folder / "kept",
        epochs=9,
        copies=1,
        workers=0,
        pool=Pool(),
        say=said.append,
        on_progress=lambda *at: None,
    )


def test_runs_in_turn_share_what_is_in_memory(pairs: tuple[Pair, ...], tmp_path: Path) -> None:
    pool = Pool(runs=9)
    told: list[tuple[int, int]] = []

    def opened() -> SampleSource:
        return open_cache(
            "auto",
            pairs,
            32,
            folder=tmp_path,
            epochs=1,  # too few for one run, enough for nine
            copies=1,
            workers=0,
            pool=pool,
            say=lambda line: None,
            on_progress=lambda *at: told.append(at),
        )

    first = opened()
    assert isinstance(first, Stored)
    made = len(told)
    assert opened() is first
    assert len(told) == made


def test_the_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/x/y"}) == Path("/x/y/decamo")
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ({}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "relative"}):
        assert cache_folder(unset) == tmp_path / ".cache" / "decamo"
