"""Every way in which a process can fail is survived, or named; no task is lost or done twice."""

import contextlib
import faulthandler
import multiprocessing
import os
import random
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from decamo.data import crew as module
from decamo.data.arena import Arena
from decamo.data.crew import Crew
from decamo.data.deaths import Crash, kill
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
    with contextlib.closing(Crew[int, int](work, workers, **how)) as crew:
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
    return ran


RIGHT = {number: 2 * number for number in range(12)}


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_all_start_methods_give_the_same(tmp_path: Path, method: str) -> None:
    assert run(Work(tmp_path), method=method, preload=(__name__,)) == Ran(RIGHT)


DEATHS = ["killed", "segfault", "bus error", "exit"]
MOMENTS = [(0,), (5,), (3, 7), (11,)]
# each moment, each death, and each number of processes; all together takes as long as an epoch
TELLING = {
    *((deed, (5,), 3) for deed in DEATHS),
    *(("killed", at, 3) for at in MOMENTS),
    ("segfault", (0,), 1),
    ("exit", (3, 7), 1),
}


@pytest.mark.parametrize(
    ("deed", "at", "workers"),
    [
        pytest.param(*which, id="-".join(map(str, which)),
                     marks=() if which in TELLING else pytest.mark.long)
        for which in product(DEATHS, MOMENTS, (1, 3))
    ],
)  # fmt: skip
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
    got = list[int]()
    while len(set(got)) < 6:
        got += [answer.number for answer in crew.poll(0.1)]
    crew.close()
    assert sorted(got) == list(range(6))


def test_the_kernels_own_killing_is_told_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = iter(range(100))
    monkeypatch.setattr(module, "oom_kills", lambda: next(count))
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


def test_a_crash_costs_its_own_task_alone(tmp_path: Path) -> None:
    crew = Crew[int, int](Work(tmp_path, "segfault", (2, 3), always=True), 2)
    for number in range(8):
        crew.give(number, number)
    got, crashed = list[int](), list[int]()
    until = time.monotonic() + 60
    while len(got) + len(crashed) < 8 and not crew.lost:
        try:
            got += [answer.number for answer in crew.poll(0.1)]
        except Crash as crash:
            crashed.append(crash.number)
        assert time.monotonic() < until
    left = [number for number, _ in crew.unfinished()]
    crew.close()
    assert set(crashed) <= {2, 3}
    assert crashed
    assert sorted(got + crashed + left) == list(range(8)), "each has one end"


def test_one_more_process_tries_where_the_one_that_tried_has_died(tmp_path: Path) -> None:
    """The first one stands still, the second one is killed: a third one does it."""
    crew = Crew[int, int](Work(tmp_path, "stopped", (0,)), 1)
    crew.give(0, 0)
    until = time.monotonic() + 60
    while not crew.state_of(0).endswith("(SIGSTOP)"):
        crew.poll(0.05)
        assert time.monotonic() < until
    before = {child.pid for child in multiprocessing.active_children()}
    (tmp_path / "0").unlink()  # whoever tries next stands still as well
    assert crew.hedge(0)
    while not (tmp_path / "0").exists():
        crew.poll(0.05)
        assert time.monotonic() < until
    (second,) = {child.pid for child in multiprocessing.active_children()} - before
    assert second is not None
    os.kill(second, signal.SIGKILL)
    got = list[int]()
    while not got:
        got += [answer.number for answer in crew.poll(0.1)]
        assert time.monotonic() < until
    crew.drop(0)
    assert not crew.holds(0)
    assert len(multiprocessing.active_children()) <= 1
    assert not crew.hedge(0), "it is answered"
    crew.close()
    assert got == [0]


def test_what_a_process_that_cannot_be_killed_may_write_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a disk holds it
    monkeypatch.setattr("decamo.data.worker_process.kill", lambda process: kill(process) and False)
    crew = Crew[str, str](str.upper, 1)
    crew.give(1, "slot", "spare")
    got = [answer.value for answer in crew.poll(20)] or [a.value for a in crew.poll(20)]
    assert got == ["SLOT"]
    crew.give(2, "slot", "spare")
    os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGSTOP)
    crew.give(3, "slot", "spare")
    for child in multiprocessing.active_children():
        child.kill()
    values: dict[int, str | None] = {}
    until = time.monotonic() + 60
    while len(values) < 2:
        values |= {answer.number: answer.value for answer in crew.poll(0.1)}
        assert time.monotonic() < until
    crew.close()
    redone = {number for number, value in values.items() if value == "SPARE"}
    assert 3 in redone
    assert all(crew.holds(number) for number in redone)


def test_a_process_that_may_have_no_children_does_without(tmp_path: Path) -> None:
    """Such as one that a tuner of settings starts."""
    process = multiprocessing.get_context("fork").Process(
        target=_in_a_daemon, args=(tmp_path,), daemon=True
    )
    process.start()
    process.join(60)
    assert process.exitcode == 0


def _in_a_daemon(folder: Path) -> None:
    ran = run(Work(folder), method="fork")
    assert ran.lost
    assert ran.values == RIGHT
    assert "daemonic processes are not allowed to have children" in ran.notes[0]


# ---------------------------------------------------------------- a model, and faults at random


@dataclass
class Fated:
    """Work whose tries go wrong as was drawn; writes its number into a slot before and after."""

    folder: Path
    fates: dict[int, tuple[str, ...]]
    arena: Arena

    def __call__(self, errand: tuple[int, int | None, bytes]) -> tuple[int, int | None, bytes]:
        """The number doubled, the slot that holds the number, and ballast."""
        number, slot, ballast = errand
        fates = self.fates.get(number, ())
        for turn, deed in enumerate(fates):
            with contextlib.suppress(FileExistsError):
                (self.folder / f"{number}.{turn}").touch(exist_ok=False)
                faulthandler.disable()
                DEEDS[deed]()
                break
        if slot is not None:
            self.arena.slot(slot)[:8].view("i8")[0] = -number
            time.sleep(0.001 * (number % 3))
            self.arena.slot(slot)[:8].view("i8")[0] = number
        return 2 * number, slot, ballast


class Model:
    """What must hold of a crew, whatever was drawn; it uses slots as a stream of batches does."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.draw = random.Random(seed)
        kinds = [*DEEDS, "killed", "memory"]
        fates = {
            number: tuple(self.draw.choices(kinds, k=self.draw.choice([1, 1, 2, 3])))
            for number in range(30)
            if self.draw.random() < 0.3
        }
        arena = Arena.make(6, 64)
        assert arena is not None
        self.arena, self.free = arena, deque(range(6))
        self.slots: dict[int, int] = {}
        self.ends: dict[int, str] = {}
        self.given = 0
        self.workers = self.draw.randint(1, 4)
        self.crew = Crew[Any, Any](
            Fated(folder, fates, arena), self.workers, ahead=self.draw.randint(1, 3)
        )

    def give(self) -> None:
        """One more task, with a slot where one is free."""
        number, ballast = self.given, bytes(self.draw.choice([0, 0, 0, 3_000_000]))
        self.given += 1
        spare = (number, None, ballast)
        slot = self.free.popleft() if self.free else None
        if slot is not None:
            self.slots[number] = slot
        self.crew.give(number, (number, slot, ballast), spare)

    def poll(self, seconds: float) -> bool:
        """Hear answers, each of which must be the first of its task; whether there was any."""
        try:
            answers = self.crew.poll(seconds)
        except Crash as crash:
            self.end(crash.number, "crash")
            return True
        for answer in answers:
            if answer.error is not None:
                assert isinstance(answer.error, DataError)
                self.end(answer.number, "mistake")
                continue
            assert answer.value is not None
            value, slot, ballast = answer.value
            assert value == 2 * answer.number
            assert len(ballast) in (0, 3_000_000)
            if slot is not None:
                assert slot == self.slots[answer.number]
                kept = int(self.arena.slot(slot)[:8].view("i8")[0])
                assert kept == answer.number, "another process wrote there"
            self.end(answer.number, "answer")
        return bool(answers)

    def end(self, number: int, how: str) -> None:
        """A task has come to its end; its slot is free unless somebody may still write there."""
        assert number < self.given
        assert number not in self.ends, "it ended twice"
        self.ends[number] = how
        if self.draw.random() < 0.8:
            self.crew.drop(number)
        slot = self.slots.get(number)
        if slot is not None and not self.crew.holds(number):
            self.free.append(slot)

    def disturb(self) -> None:
        """Somebody kills or stops a process."""
        pids = [child.pid for child in multiprocessing.active_children() if child.pid]
        if pids:
            sign = self.draw.choice([signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.draw.choice(pids), sign)

    def step(self) -> None:
        """Something happens."""
        open_ = [n for n in range(self.given) if n not in self.ends]
        dice = self.draw.random()
        if dice < 0.5 and self.given < 30 and len(open_) < 12:
            self.give()
        elif dice < 0.55:
            self.disturb()
        elif dice < 0.6 and open_:
            self.crew.hedge(self.draw.choice(open_))
        else:
            self.poll(self.draw.choice([0.0, 0.01, 0.03]))

    def drain(self) -> None:
        """Hear the rest; what does not come is given to one more, as a stream does."""
        idle, until = 0, time.monotonic() + 100
        while len(self.ends) < self.given and not self.crew.lost:
            idle = 0 if self.poll(0.05) else idle + 1
            if idle >= 5:
                oldest = min(n for n in range(self.given) if n not in self.ends)
                self.crew.hedge(oldest)
                idle = 0
            assert time.monotonic() < until, "waited without end"

    def check(self) -> None:
        """Each task has one end, or is handed back where nobody is left."""
        left = [number for number, _ in self.crew.unfinished()]
        assert sorted([*self.ends, *left]) == list(range(self.given))
        assert not left or self.crew.lost
        assert all(line.endswith("; nothing is lost") for line in self.crew.notes)
        assert 0 <= self.crew.workers <= self.workers


def play(seed: int, folder: Path) -> None:
    """One game; now and then the crew is closed while answers are on their way."""
    folder.mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    model = Model(seed, folder)
    try:
        for _ in range(model.draw.randint(10, 120)):
            model.step()
        if model.draw.random() < 0.8:
            model.drain()
            model.check()
    finally:
        model.crew.close()
    assert model.crew.poll(0) == []
    assert multiprocessing.active_children() == []
    del model
    assert len(list(Path("/proc/self/fd").iterdir())) == before, "a descriptor is left open"


@pytest.mark.parametrize("seed", [*(pytest.param(n, marks=pytest.mark.long) for n in (1, 3)), 4])
def test_each_task_ends_once_whatever_happens(tmp_path: Path, seed: int) -> None:
    play(seed, tmp_path / "game")


@pytest.mark.long
def test_each_task_ends_once_in_many_games(tmp_path: Path) -> None:
    for seed in (0, 2, 5, *range(100, 300)):
        play(seed, tmp_path / str(seed))
