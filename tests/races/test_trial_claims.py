import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from decamo.errors import StorageError
from decamo.races.trial_files import ClaimLost, TrialClaim, take

NOW = 1_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def claim(
    folder: Path, now: float = NOW, clock: Callable[[], float] = lambda: 0.0
) -> TrialClaim | None:
    return take(folder, "high", now=now, clock=clock, stale=100)


def owned_by(folder: Path, host: str, process: int, age: float = 0.0) -> Path:
    path = folder / "high.claim-0001"
    path.write_text(json.dumps({"host": host, "process": process}))
    os.utime(path, (NOW - age, NOW - age))
    return path


def test_what_is_given_back_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        held = claim(tmp_path)
        assert held is not None
        with held:
            assert [p.name for p in tmp_path.iterdir()] == ["high.claim-0001"]
        assert list(tmp_path.iterdir()) == []


def test_a_living_owner_elsewhere_keeps_it_until_it_falls_silent(tmp_path: Path) -> None:
    owned_by(tmp_path, "far-away", 1, age=99)
    assert claim(tmp_path) is None
    owned_by(tmp_path, "far-away", 1, age=101)
    taken = claim(tmp_path)
    assert taken is not None
    assert taken.path.name == "high.claim-0002"
    assert not (tmp_path / "high.claim-0001").exists()


def test_a_dead_process_of_this_machine_is_not_waited_for(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    owned_by(tmp_path, socket.gethostname(), ended.pid)
    assert claim(tmp_path) is not None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells")
def test_nor_one_whose_parent_has_not_heard_of_its_death(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as killed:
        owned_by(tmp_path, socket.gethostname(), killed.pid)
        assert claim(tmp_path) is None
        killed.kill()
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
        assert claim(tmp_path) is not None


def test_a_living_process_of_this_machine_keeps_it(tmp_path: Path) -> None:
    owned_by(tmp_path, socket.gethostname(), os.getppid())
    assert claim(tmp_path) is None


def test_of_many_processes_one_gets_it(tmp_path: Path) -> None:
    """All see the same silent owner; each would take over."""
    owned_by(tmp_path, "far-away", 1, age=1000)
    program = (
        "import sys, time, pathlib; from decamo.races.trial_files import take\n"
        f"got = take(pathlib.Path({str(tmp_path)!r}), 'high', now={NOW}, clock=time.monotonic,"
        " stale=100)\n"
        "print(got is not None, flush=True); sys.stdin.read()\n"
    )
    words = [sys.executable, "-c", program]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    many = [subprocess.Popen(words, text=True, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    told = [one.stdout.readline().strip() for one in many]
    for one in many:
        one.communicate()
    assert sorted(told) == ["False", "False", "True"]


def test_an_owner_that_wakes_up_late_leaves(tmp_path: Path) -> None:
    clock = Clock()
    held = claim(tmp_path, clock=clock)
    assert held is not None
    held.beat()
    (tmp_path / "high.claim-0002").write_text("{}")
    held.beat()  # too soon to look
    clock.now = 30
    with pytest.raises(ClaimLost):
        held.beat()


def test_a_beat_keeps_it_fresh(tmp_path: Path) -> None:
    clock = Clock()
    held = claim(tmp_path, clock=clock)
    assert held is not None
    os.utime(held.path, (0, 0))
    clock.now = 30
    held.beat()
    assert held.path.stat().st_mtime > 1


def test_a_thread_can_beat_for_work_that_knows_nothing_of_claims(tmp_path: Path) -> None:
    held = claim(tmp_path)
    assert held is not None
    os.utime(held.path, (0, 0))
    with held.beating(every=0.001):
        for _ in range(2000):
            if held.path.stat().st_mtime > 1:
                break
            time.sleep(0.001)
    assert held.path.stat().st_mtime > 1


def test_names_that_begin_alike_are_not_mixed_up(tmp_path: Path) -> None:
    (tmp_path / "high-er.claim-0007").write_text("{}")
    held = claim(tmp_path)
    assert held is not None
    assert held.path.name == "high.claim-0001"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        claim(tmp_path / "gone")
