"""Reads that never end are left behind, after a line that names the file."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from decamo.data.read_ahead import ReadAhead, patient_map, patient_read
from decamo.data.waiting import Ear, Patience, StopAsked, Wait
from decamo.errors import DataStalled, DecamoError


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a wait is, these tests' clock says, or nobody asks."""
    monkeypatch.setattr("decamo.data.read_ahead.LISTEN_S", 0.01)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """A file that nobody writes: whoever opens it to read waits without end."""
    path = tmp_path / "stalled.jpg"
    os.mkfifo(path)
    yield path
    with os.fdopen(os.open(path, os.O_RDWR | os.O_NONBLOCK), "wb"):
        time.sleep(0.05)  # those that wait are let go


def no_reason() -> str:
    return "why"


def test_a_wait_is_judged_by_how_long_reads_have_taken() -> None:
    patience = Patience(give_up_s=60.0)
    assert (patience.notice_s, patience.limit_s) == (20, 60)
    patience.took(0.1)
    assert (patience.notice_s, patience.limit_s) == (5, 60)
    patience.took(2.0)
    assert (patience.notice_s, patience.limit_s) == (20, 60)
    patience.took(30.0)
    assert (patience.notice_s, patience.limit_s) == (60, 600)
    for _ in range(50):
        patience.took(0.1)
    assert patience.notice_s == 5, "what took long once is forgotten"


def test_a_long_wait_is_told_once_and_a_hopeless_one_is_an_error() -> None:
    patience = Patience(give_up_s=60.0)
    patience.took(1.0)
    judged = [patience.judge(1, waited, no_reason, lambda: "a.jpg") for waited in (1, 11, 12, 59)]
    assert judged == [False, True, False, False]
    assert patience.judge(2, 30, no_reason, lambda: "b.jpg"), "another wait is another event"
    first, second = patience.take_notes()
    assert first.startswith("no data for 11 s, usually 1.0 s at most: a.jpg: why; waiting up to 60")
    assert "b.jpg" in second
    assert patience.take_notes() == []
    with pytest.raises(DataStalled, match=r"c\.jpg: no data for 61 s: why; .*--data-timeout"):
        patience.judge(3, 61, no_reason, lambda: "c.jpg")


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (2, 3), (5, 40)])
def test_what_is_read_comes_in_order(threads: int, ahead: int) -> None:
    under_way: list[int] = []
    before = set(threading.enumerate())  # others may be stuck for good, which is what they are for

    def work(number: int) -> int:
        under_way.append(number)
        time.sleep(0.001 * (number % 3))
        return number

    reading = ReadAhead(work, range(20), threads=threads, ahead=ahead)
    with closing(reading):
        got = []
        while not reading.over:
            got.append(reading.next(Ear()).result())
            assert len(under_way) <= len(got) + ahead
    assert got == list(range(20))
    left = [t for t in threading.enumerate() if t not in before and "_serve" in t.name]
    for thread in left:
        thread.join(5)
    assert not [t for t in left if t.is_alive()]


def test_an_error_belongs_to_its_item() -> None:
    reading = ReadAhead(lambda n: 1 // n, [1, 0, -1], threads=2, ahead=3)
    with closing(reading):
        assert reading.next(Ear()).result() == 1
        with pytest.raises(ZeroDivisionError):
            reading.next(Ear()).result()
        assert reading.next(Ear()).result() == -1
        with pytest.raises(IndexError):
            reading.poll(0)


def test_a_read_that_never_ends_is_told_and_then_given_up(fifo: Path) -> None:
    clock, said = Clock(), list[str]()

    def listen() -> str:
        clock.now += 15
        return ""

    reading = ReadAhead(Path.read_bytes, [fifo], patience=Patience(60.0, clock))
    with closing(reading), pytest.raises(DataStalled, match=r"stalled\.jpg: no data for 6"):
        reading.next(Ear(listen, said.append))
    (line,) = said
    assert "stalled.jpg" in line


def test_a_reason_to_stop_is_heard_while_a_read_never_ends(fifo: Path) -> None:
    with pytest.raises(StopAsked) as caught:
        patient_read(Path.read_bytes, fifo, Ear(lambda: "on SIGTERM"))
    assert caught.value.why == "on SIGTERM"


def test_time_in_which_the_whole_job_stood_still_is_no_wait(fifo: Path) -> None:
    """Ctrl-Z and fg an hour later, or a job that Slurm suspended and resumed."""
    clock = Clock()
    wait = Wait(clock)
    assert wait.look() == 0
    clock.now += 0.2
    assert wait.look() == pytest.approx(0.2)
    clock.now += 3600
    assert wait.look() == pytest.approx(5.2)
    reading = ReadAhead(Path.read_bytes, [fifo], patience=Patience(60.0, clock))
    with closing(reading):
        assert reading.poll(0.01) is None
        clock.now += 3600
        assert reading.poll(0.01) is None, "nobody looked for an hour, and it is not given up"
        assert reading.patience.notes == []


def test_each_long_wait_is_told_though_readers_share_a_patience(fifo: Path) -> None:
    """As validation after validation does, whose reads may lie where earlier ones lay in memory."""
    clock, said = Clock(), list[str]()
    patience = Patience(600.0, clock)

    def listen() -> str:
        clock.now += 5
        return said[-1] if len(said) == len(heard) + 1 else ""

    heard = list[str]()
    for _ in range(2):
        reading = ReadAhead(Path.read_bytes, [fifo], patience=patience)
        with closing(reading), pytest.raises(StopAsked) as caught:
            reading.next(Ear(listen, said.append))
        heard.append(caught.value.why)
    assert said == heard


def test_many_are_read_in_order_and_the_first_error_ends_it() -> None:
    assert patient_map(lambda n: 2 * n, range(20), Ear(), threads=3) == list(range(0, 40, 2))
    assert patient_map(str, [], Ear()) == []
    with pytest.raises(ZeroDivisionError):
        patient_map(lambda n: 1 // n, [1, 0, 2], Ear())


def test_want_of_threads_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    started = list[threading.Thread]()
    start = threading.Thread.start

    def few(thread: threading.Thread) -> None:
        if len(started) >= most:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    most = 1
    assert patient_map(lambda n: n, range(9), Ear(), threads=4) == list(range(9))
    most = 0
    with pytest.raises(DecamoError, match="can't start new thread; see `ulimit -u`"):
        patient_map(lambda n: n, range(9), Ear(), threads=4)


_STUCK = """
import signal, sys
from pathlib import Path
from decamo.data.read_ahead import patient_read
from decamo.data.waiting import Ear
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job with & ignores it
print("reading", flush=True)
patient_read(Path.read_bytes, Path(sys.argv[1]), Ear())
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -2), (signal.SIGTERM, -15)])
def test_a_process_whose_thread_is_stuck_ends_all_the_same(
    fifo: Path, number: signal.Signals, code: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _STUCK, str(fifo)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "reading\n"
        process.send_signal(number)
        assert process.wait(60) == code
