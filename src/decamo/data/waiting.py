"""Waiting for files with an ear open: threads that read ahead, and how long is too long.

A read from a disk that does not answer cannot be called off: neither a signal nor a thread gets it
back. So the process that has to save and end never reads a file itself while it waits; it looks now
and then whether another one has.
"""

import atexit
import contextlib
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from decamo.errors import DataStalled, DecamoError

__all__ = [
    "LISTEN_S",
    "NOBODY",
    "Ear",
    "Listen",
    "Patience",
    "PendingRead",
    "ReadAhead",
    "StopAsked",
    "Wait",
    "patient_map",
    "patient_read",
]

T = TypeVar("T")
R = TypeVar("R")

Listen = Callable[[], str]

LISTEN_S = 0.2  # between two looks at signals and budget
_NOTICE = 10.0  # times the slowest of the recent reads: they vary by the size of files and caches
_AT_LEAST = 5.0  # seconds; a cold disk spins up, a network file system hiccups
_UNKNOWN = 20.0  # seconds, while nothing was measured: processes start, imports come from disk
_GIVE_UP = 20.0  # times the slowest
_RECENT = 50
_BLINK = 5.0  # seconds between two looks that count at most: beyond, nobody was there to look
_LEAVE_S = 1.0  # for threads that are not stuck to end their file


def _silence() -> str:
    return ""


def _nobody(line: str) -> None: ...


@dataclass(frozen=True)
class Ear:
    """Whom a wait listens to, and whom it tells.

    Attributes:
        listen: asked now and then; a reason ends the wait.
        say: told in a line when a wait is long.
        give_up_s: seconds after which it is hopeless.
    """

    listen: Listen = _silence
    say: Callable[[str], None] = _nobody
    give_up_s: float = 180.0

    def heed(self) -> None:
        """Listen once.

        Raises:
            StopAsked: there is a reason to stop.
        """
        if why := self.listen():
            raise StopAsked(why)


NOBODY = Ear()


class StopAsked(Exception):
    """A request to stop was heard while waiting; nothing is broken.

    Attributes:
        why: as the one who asked puts it, such as ``on SIGTERM``.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(eq=False)
class Wait:
    """How long something has been awaited, by looks that are taken at it now and then.

    While the whole job stands still (Ctrl-Z, a job that Slurm suspends, a machine asleep) nobody
    looks, and nobody could have read: that time does not count.

    Attributes:
        clock: seconds from any fixed moment.
        seconds: so far.
    """

    clock: Callable[[], float] = time.monotonic
    seconds: float = 0.0
    _looked: float | None = None

    def look(self) -> float:
        """Look once more; returns the seconds since the first look."""
        now = self.clock()
        if self._looked is not None:
            self.seconds += min(now - self._looked, _BLINK)
        self._looked = now
        return self.seconds


@dataclass
class Patience:
    """When a wait is worth a line, and when it is hopeless; judged by how long reads have taken.

    Attributes:
        give_up_s: no wait is given up before so many seconds.
        clock: seconds from any fixed moment.
        notes: lines to tell, oldest first; whoever tells them takes them out.
    """

    give_up_s: float = 180.0
    clock: Callable[[], float] = time.monotonic
    notes: list[str] = field(default_factory=list)
    _took: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _noticed: object = None

    def took(self, seconds: float) -> None:
        """Take note of how long a read took."""
        self._took.append(seconds)

    @property
    def slowest(self) -> float:
        """Seconds that the slowest of the recent reads took; 0 before the first."""
        return max(self._took, default=0.0)

    @property
    def notice_s(self) -> float:
        """Seconds after which a wait is worth a line."""
        own = max(_NOTICE * self.slowest, _AT_LEAST) if self._took else _UNKNOWN
        return min(own, self.give_up_s)

    @property
    def limit_s(self) -> float:
        """Seconds after which it is given up."""
        return max(self.give_up_s, _GIVE_UP * self.slowest)

    def judge(
        self, key: object, waited: float, reason: Callable[[], str], what: Callable[[], object]
    ) -> bool:
        """Take note of a wait that is too long; True the first time of each such wait.

        Args:
            key: tells one wait from another, also from those of other readers.
            waited: seconds since anything moved.
            reason: why, in words, as far as that can be found out.
            what: the file that is being read, or whatever it is that does not come.

        Raises:
            DataStalled: it is hopeless.
        """
        if waited >= self.limit_s:
            raise DataStalled(
                what(),
                f"no data for {waited:.0f} s: {reason()}",
                "see whether its disk answers, then give the same command again; --data-timeout"
                " waits longer",
            )
        if waited < self.notice_s or self._noticed == key:
            return False
        self._noticed = key
        usual = f", usually {self.slowest:.1f} s at most" if self._took else ""
        self.notes.append(
            f"no data for {waited:.0f} s{usual}: {what()}: {reason()}; waiting up to"
            f" {self.limit_s:.0f} s"
        )
        return True

    def take_notes(self) -> list[str]:
        """The lines to tell; they are told once."""
        lines = self.notes[:]
        self.notes.clear()
        return lines


@dataclass(eq=False)
class PendingRead(Generic[T, R]):
    """One item and what became of it.

    Attributes:
        item: what was to be read.
        seconds: it took.
        value: what was read, unless ``error``.
        error: raised instead.
    """

    item: T
    seconds: float = 0.0
    value: R | None = None
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def result(self) -> R:
        """What was read.

        Raises:
            BaseException: what reading it raised.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # set together with done


class ReadAhead(Generic[T, R]):
    """Calls ``work`` for items in threads, some items ahead; what they give comes in order.

    The threads are daemons: one that is stuck in a read keeps no process from ending.

    Args:
        work: called with an item, in a thread; Pillow decodes outside of the interpreter's lock.
        items: taken one by one as there is room.
        threads: at least one is used.
        ahead: items under way or waiting to be taken, at least one.
        patience: judges waits.
        name: of an item, for people.
    """

    def __init__(
        self,
        work: Callable[[T], R],
        items: Iterable[T],
        *,
        threads: int = 1,
        ahead: int = 1,
        patience: Patience | None = None,
        name: Callable[[T], object] = str,
    ) -> None:
        self.patience = Patience() if patience is None else patience
        self._work, self._items, self._name = work, iter(items), name
        self._most, self._ahead = max(threads, 1), max(ahead, 1)
        self._todo: SimpleQueue[PendingRead[T, R] | None] = SimpleQueue()
        self._reads: deque[PendingRead[T, R]] = deque()
        self._threads: list[threading.Thread] = []
        self._wait: Wait | None = None  # for the first of them
        _OPEN.add(self)

    @property
    def over(self) -> bool:
        """Whether there is no further item."""
        self._fill()
        return not self._reads

    def poll(self, seconds: float) -> PendingRead[T, R] | None:
        """The next item, read; None where it did not come in so many seconds.

        Raises:
            IndexError: there is no further item.
            DataStalled: it is hopeless.
        """
        self._fill()
        first = self._reads[0]
        if not first.done.wait(seconds):
            self._judge(first)
            return None
        self._wait = None
        self._reads.popleft()
        self.patience.took(first.seconds)
        self._fill()
        return first

    def next(self, ear: Ear) -> PendingRead[T, R]:
        """As :meth:`poll`, however long it takes.

        Raises:
            IndexError: there is no further item.
            StopAsked: there was a reason.
            DataStalled: it is hopeless.
        """
        while True:
            read = self.poll(LISTEN_S)
            for line in self.patience.take_notes():
                ear.say(line)
            if read is not None:
                return read
            ear.heed()

    def close(self, wait_s: float = _LEAVE_S) -> None:
        """Let the threads end; one that is stuck is left behind."""
        with contextlib.suppress(Exception):
            while True:
                self._todo.get_nowait()
        for _ in self._threads:
            self._todo.put(None)
        deadline = time.monotonic() + wait_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._threads.clear()
        self._reads.clear()

    def _fill(self) -> None:
        while len(self._reads) < self._ahead:
            try:
                item = next(self._items)
            except StopIteration:
                return
            read = PendingRead[T, R](item)
            self._reads.append(read)
            self._todo.put(read)
            if len(self._threads) < min(self._most, len(self._reads)):
                thread = threading.Thread(
                    target=_serve, args=(self._todo, self._work, self.patience.clock), daemon=True
                )
                try:
                    thread.start()
                except RuntimeError as error:
                    if self._threads:
                        continue  # those that there are do it
                    raise DecamoError(
                        "reading", str(error), "see `ulimit -u`, and the limits of the container"
                    ) from error
                self._threads.append(thread)

    def _judge(self, first: PendingRead[T, R]) -> None:
        if self._wait is None:
            self._wait = Wait(self.patience.clock)
        self.patience.judge(
            self._wait,
            self._wait.look(),
            lambda: "it is not read to its end; its disk may be stalled",
            lambda: self._name(first.item),
        )


def _serve(
    todo: "SimpleQueue[PendingRead[T, R] | None]",
    work: Callable[[T], R],
    clock: Callable[[], float],
) -> None:
    while (read := todo.get()) is not None:
        began = clock()
        try:
            read.value = work(read.item)
        except BaseException as error:  # it belongs to whoever asks for this item
            read.error = error
        read.seconds = clock() - began
        read.done.set()
        del read  # what was read may be large


def patient_read(work: Callable[[T], R], item: T, ear: Ear, name: Callable[[T], object] = str) -> R:
    """``work(item)`` in a thread that can be left behind.

    Args:
        work: reads a file.
        item: that file.
        ear: listened to meanwhile.
        name: of the item, for people.

    Raises:
        BaseException: what the work raised.
        StopAsked: there was a reason not to wait for it.
        DataStalled: it is hopeless.
    """
    (result,) = patient_map(work, [item], ear, name=name)
    return result


def patient_map(
    work: Callable[[T], R],
    items: Sequence[T],
    ear: Ear,
    *,
    threads: int = 1,
    name: Callable[[T], object] = str,
) -> list[R]:
    """``work`` of each item, in their order, in threads that can be left behind.

    Unlike those of ``concurrent.futures``, which the interpreter waits for at its end.

    Raises:
        BaseException: what the work raised.
        StopAsked: there was a reason not to wait.
        DataStalled: a file is not read to its end.
    """
    reading = ReadAhead(
        work, items, threads=threads, ahead=2 * threads, patience=Patience(ear.give_up_s), name=name
    )
    with contextlib.closing(reading):
        return [reading.next(ear).result() for _ in items]


_OPEN: "weakref.WeakSet[ReadAhead[Any, Any]]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Threads must not be in the middle of a library's call while the interpreter is taken down."""
    for ahead in list(_OPEN):
        ahead.close()
