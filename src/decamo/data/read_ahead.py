"""Threads that read files ahead and can be left behind.

A read from a disk that does not answer cannot be called off: neither a signal nor a thread gets it
back. So the process that has to save and end never reads a file itself while it waits.
"""

import atexit
import contextlib
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from decamo.data.waiting import LISTEN_S, Ear, Patience, Wait
from decamo.errors import DecamoError

__all__ = [
    "PendingRead",
    "ReadAhead",
    "patient_each",
    "patient_map",
    "patient_read",
]

T = TypeVar("T")
R = TypeVar("R")
_LEAVE_S = 1.0  # for threads that are not stuck to end their file


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

    def close(self) -> None:
        """Let the threads end; one that is stuck is left behind."""
        with contextlib.suppress(Exception):
            while True:
                self._todo.get_nowait()
        for _ in self._threads:
            self._todo.put(None)
        deadline = time.monotonic() + _LEAVE_S
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
    return list(patient_each(work, items, ear, threads=threads, name=name))


def patient_each(
    work: Callable[[T], R],
    items: Iterable[T],
    ear: Ear,
    *,
    threads: int = 1,
    name: Callable[[T], object] = str,
) -> Iterator[R]:
    """As :func:`patient_map`, one after the other: of a million only a few are held."""
    reading = ReadAhead(
        work, items, threads=threads, ahead=2 * threads, patience=Patience(ear.give_up_s), name=name
    )
    with contextlib.closing(reading):
        while not reading.over:
            yield reading.next(ear).result()


_OPEN: "weakref.WeakSet[ReadAhead[Any, Any]]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Threads must not be in the middle of a library's call while the interpreter is taken down."""
    for ahead in list(_OPEN):
        ahead.close()
