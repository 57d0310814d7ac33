"""Every way in which a process can fail is survived, or named; no task is lost or done twice."""

import faulthandler
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from decamo.data import crew as module
from decamo.data.crew import Crash, Crew, cause_of_death
from decamo.errors import DataError

# Python 3.12 warns of every fork beside threads, which is how processes start on Linux by default
pytestmark = pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")


@dataclass
class Work:
    """Doubles a number; does what ``deed`` says at the first try of each number in ``at``."""

    folder: Path
    deed: str = ""
    at: tuple[int, ...] = ()
    always: bool = False

    def __call__(self, number: int) -> int:
        """Twice the number."""
        mark = self.folder / str(number)
        if number in self.at and (self.always or not mark.exists()):
            mark.touch()
            faulthandler.disable()  # pytest's would print its tracebacks here
            DEEDS[self.deed]()
        return 2 * number


def _raise(error: Exception) -> None:
    raise error


def _asked(*numbers: signal.Signals) -> None:
    for number in numbers:
        signal.raise_signal(number)


DEEDS: dict[str, Callable[[], Any]] = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "bus error": lambda: os.kill(os.getpid(), signal.SIGBUS),
    "exit": lambda: os._exit(3),
    "memory": lambda: _raise(MemoryError("no room")),
    "stopped": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "asked": lambda: _asked(signal.SIGTERM, signal.SIGHUP),
    "mistake": lambda: _raise(DataError("file", "got it", "mend it")),
}


@dataclass
class Ran:
    """What became of a crew's tasks."""

    values: dict[int, int] = field(default_factory=dict)
    errors: dict[int, BaseException] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lost: bool = False


def run(work: Work, tasks: int = 12, workers: int = 2, **how: Any) -> Ran:
    """Give all tasks, and hear until all are answered or nobody is left."""
    ran = Ran()
    crew = Crew[int, int](work, workers, **how)
    for number in range(tasks):
        crew.give(number, number)
    until = time.monotonic() + 100
    while len(ran.values) + len(ran.errors) < tasks and not ran.lost:
        for answer in crew.poll(0.1):
            assert answer.number not in ran.values.keys() | ran.errors.keys(), "answered twice"
            if answer.error is not None:
                ran.errors[answer.number] = answer.error
            elif answer.value is not None:
                ran.values[answer.number] = answer.value
        if "stopped" in work.deed and crew.state_of(work.at[0]).endswith("(SIGSTOP)"):
            crew.hedge(work.at[0])
            crew.drop(work.at[0]) if work.at[0] in ran.values else None
        ran.lost = crew.lost
        assert time.monotonic() < until, "waited without end"
    ran.notes = crew.notes
    ran.values |= {number: 2 * payload for number, payload in crew.unfinished()}
    crew.close()
    return ran


RIGHT = {number: 2 * number for number in range(12)}


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_all_start_methods_give_the_same(tmp_path: Path, method: str) -> None:
    assert run(Work(tmp_path), method=method, preload=(__name__,)) == Ran(RIGHT)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("deed", ["killed", "segfault", "bus error", "exit"])
@pytest.mark.parametrize("at", [(0,), (5,), (3, 7), (11,)], ids=str)
def test_a_death_costs_nothing_but_a_line(
    tmp_path: Path, deed: str, at: tuple[int, ...], workers: int
) -> None:
    ran = run(Work(tmp_path, deed, at), workers=workers)
    assert ran.values == RIGHT
    assert 1 <= len(ran.notes) <= len(at)
    assert all(line.endswith("; nothing is lost") for line in ran.notes)
    word = {"killed": "was killed (SIGKILL", "exit": "exit code 3"}
    assert word.get(deed, "died of SIG") in ran.notes[0]


def test_many_deaths_leave_fewer_and_then_nobody(tmp_path: Path) -> None:
    ran = run(Work(tmp_path, "killed", tuple(range(12)), always=True))
    assert ran.lost
    assert ran.values == RIGHT, "what nobody has done is handed back"
    assert len(ran.notes) <= 3
    assert "this process does their work" in ran.notes[-1]


@pytest.mark.parametrize("deed", ["segfault", "exit"])
def test_what_process_after_process_dies_of_is_named(tmp_path: Path, deed: str) -> None:
    with pytest.raises(Crash) as caught:
        run(Work(tmp_path, deed, (4,), always=True))
    assert caught.value.number == 4
    assert caught.value.reason.startswith("2 processes in turn ")


def test_want_of_memory_leaves_fewer(tmp_path: Path) -> None:
    ran = run(Work(tmp_path, "memory", (2,)), workers=3)
    assert ran.values == RIGHT
    assert ran.notes == ["a reading process found too little memory: 2 of 3 go on; nothing is lost"]


def test_what_a_process_that_is_sent_home_had_answered_counts_once(tmp_path: Path) -> None:
    crew = Crew[int, int](Work(tmp_path, "memory", (2,)), 3)
    for number in range(6):
        crew.give(number, number)
    time.sleep(0.5)  # the third process has run out of memory over 2, and answered 5 as well
    got = []
    while len(set(got)) < 6:
        got += [answer.number for answer in crew.poll(0.1)]
    crew.close()
    assert sorted(got) == list(range(6))


def test_the_kernels_own_killing_is_told_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = iter(range(100))
    monkeypatch.setattr(module, "_oom_kills", lambda: next(count))
    ran = run(Work(tmp_path, "killed", (5,)), workers=3)
    assert ran.values == RIGHT
    assert ran.notes == [
        "a reading process was killed for want of memory: 2 of 3 go on; nothing is lost"
    ]


def test_a_stopped_process_is_noticed_and_replaced(tmp_path: Path) -> None:
    assert run(Work(tmp_path, "stopped", (5,))).values == RIGHT


def test_what_asks_the_whole_group_to_stop_ends_no_process(tmp_path: Path) -> None:
    assert run(Work(tmp_path, "asked", (1, 6))) == Ran(RIGHT)


def test_an_error_travels_as_it_is(tmp_path: Path) -> None:
    ran = run(Work(tmp_path, "mistake", (3,)))
    assert isinstance(ran.errors[3], DataError)
    assert str(ran.errors[3]) == "file: got it; mend it"
    assert ran.values == {n: v for n, v in RIGHT.items() if n != 3}


def test_processes_that_cannot_start_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(multiprocessing.context.ForkProcess, "_Popen", staticmethod(refused))
    ran = run(Work(tmp_path), method="fork")
    assert ran.lost
    assert ran.values == RIGHT
    assert ran.notes == [
        "a reading process does not start (Resource temporarily unavailable):"
        " this process does their work; nothing is lost"
    ]


def test_large_tasks_and_answers_pass(tmp_path: Path) -> None:
    crew = Crew[bytes, bytes](bytes.swapcase, 2)
    message = b"a" * 5_000_000
    for number in range(4):
        crew.give(number, message)
    got: dict[int, bytes | None] = {}
    while len(got) < 4:
        got |= {answer.number: answer.value for answer in crew.poll(0.1)}
    crew.close()
    assert set(got.values()) == {message.upper()}


@pytest.mark.parametrize(
    ("code", "starved", "words"),
    [
        (-9, True, "was killed for want of memory"),
        (-9, False, "was killed (SIGKILL; by hand, or for want of memory)"),
        (-7, False, "died of SIGBUS"),
        (1, False, "ended with exit code 1"),
        (None, False, "closed its line and did not end"),
    ],
)
def test_an_exit_code_in_words(code: int | None, starved: bool, words: str) -> None:
    assert cause_of_death(code, starved) == words
