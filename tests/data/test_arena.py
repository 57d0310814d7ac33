import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from decamo.data import arena as module
from decamo.data.arena import Arena, free_memory, nameless, reserve, room_line

MEMINFO = "MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable:   50 kB\n"


@pytest.fixture(params=["memfd", "file"])
def arena(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Arena:
    if request.param == "file":
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.delattr(os, "memfd_create", raising=False)
    made = Arena.make(3, 5000)
    assert made is not None
    assert made.owner.way == ("a temporary file" if request.param == "file" else WAY)
    return made


WAY = "memory without a name" if hasattr(os, "memfd_create") else "a temporary file"


def test_what_one_process_writes_another_reads(arena: Arena) -> None:
    other: Arena = pickle.loads(pickle.dumps(arena))
    assert other.owner is None
    for index in range(3):
        assert arena.slot(index).size >= 5000
        arena.slot(index)[:] = index + 1
        arena.mark(index, 70 + index)
    for index in range(3):
        assert np.all(other.slot(index) == index + 1)
        assert other.marked(index) == 70 + index


def test_its_room_is_taken_at_once(arena: Arena) -> None:
    stat = arena.path.stat()
    assert stat.st_blocks * 512 >= stat.st_size == arena.slots * arena.size


def test_no_room_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert Arena.make(1, 1) is None


def test_a_sandbox_without_the_call_gets_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def forbidden(*_: object) -> int:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", forbidden, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = nameless("squares")
    assert made.path.parent == tmp_path


def test_a_file_system_that_cannot_reserve_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unknown, raising=False)
    path = tmp_path / "a"
    path.touch()
    reserve(path, 1000)
    assert path.stat().st_size == 1000


def test_the_line_says_what_is_needed_and_what_dev_shm_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    line = room_line(4, 75_000_000, "a temporary file")
    assert line.startswith("4 processes read: batches take 75 MB in a temporary file, nothing in ")
    monkeypatch.setattr(module, "SHM", tmp_path / "no")
    assert room_line(1, 2 * 10**9, "x").startswith("1 process reads: batches take 2.0 GB in x")
    assert room_line(1, 0, "x").endswith("/dev/shm, which is not there")
    monkeypatch.setattr(module, "SHM", tmp_path)
    assert room_line(1, 0, "x").endswith("free")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert room_line(1, 0, "x").endswith("which cannot be written")


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 0),
        ({"/proc/meminfo": MEMINFO}, 51200),
        ({"/proc/meminfo": "MemFree: 10 kB\n"}, 0),
        ({"/proc/meminfo": "MemAvailable: much kB\n"}, 0),
        (
            {
                "/proc/meminfo": MEMINFO,
                "/sys/fs/cgroup/memory.max": "9000\n",
                "/sys/fs/cgroup/memory.current": "2000\n",
            },
            7000,
        ),
        (
            {
                "/proc/meminfo": MEMINFO,
                "/sys/fs/cgroup/memory.max": "max\n",
                "/sys/fs/cgroup/memory.current": "2000\n",
            },
            51200,
        ),
        (
            {
                "/proc/meminfo": MEMINFO,
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "100\n",
                "/sys/fs/cgroup/memory/memory.usage_in_bytes": "200\n",
            },
            0,
        ),
    ],
)
def test_free_memory_is_that_of_the_container(files: dict[str, str], free: int) -> None:
    def read(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    assert free_memory(read) == free


def test_this_machine_has_some() -> None:
    assert free_memory() > 0 or not Path("/proc/meminfo").exists()
