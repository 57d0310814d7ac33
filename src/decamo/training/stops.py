"""Reasons to stop: signals, a time budget, and which of them was heard first."""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from types import FrameType

from decamo.history import Event, Saved
from decamo.system import on_main_thread, stop_signals

__all__ = [
    "Budget",
    "Stop",
    "StopEars",
    "StopKind",
    "StopRequests",
    "StoppedAtOnce",
    "stop_requests",
]

# Steps and saves vary; what is to come is taken as the longest of the last so many, and half
# as much again. A budget overrun by a second is a session's work lost, a minute spared is not.
_LOOK_BACK = 50
_MARGIN = 1.5
_AT_LEAST = 2.0  # seconds for closing the journal, ending the readers and leaving


class StopKind(StrEnum):
    """What ends work before its end."""

    SIGNAL = "signal"
    BUDGET = "budget"
    PLATEAU = "plateau"  # the run stands still, and was to stop or to be raced there
    DATA = "data"  # files did not come
    ELSEWHERE = "elsewhere"  # another process of the same run was asked to


@dataclass(frozen=True)
class Stop:
    """Why work ended before its end.

    Attributes:
        kind: what the program goes by.
        why: what people read, such as ``on SIGTERM``.
    """

    kind: StopKind
    why: str


@dataclass
class StopEars:
    """Asks for reasons to stop, and keeps the first that was given: nothing goes on after one.

    Attributes:
        heard: that reason; None while there was none.
    """

    heard: Stop | None = field(default=None, init=False)

    def ask(self, sources: Mapping[StopKind, Callable[[], str]]) -> str:
        """The sentence of the first source, in their order, that has a reason; empty for none."""
        for kind, source in sources.items():
            if why := source():
                self.heard = self.heard or Stop(kind, why)
                return why
        return ""


@dataclass
class Budget:
    """Tells between two pieces of work whether another one and a save still fit.

    A listener: it hears how long saves take. The trainer asks it after each optimizer step and each
    batch of validation, so the time between two questions is that of a piece of work.

    Attributes:
        words: the budget as it was given, such as ``11h30m``.
        seconds: the same, counted from ``began``.
        clock: seconds from any fixed moment.
        began: the clock's reading when the command began.
        reserve: seconds that are needed after the last save, such as for sending it away.
    """

    words: str
    seconds: float
    clock: Callable[[], float]
    began: float
    reserve: Callable[[], float] = lambda: 0.0
    _asked: float | None = None
    _work: deque[float] = field(default_factory=lambda: deque(maxlen=_LOOK_BACK))
    _saves: deque[float] = field(default_factory=lambda: deque(maxlen=_LOOK_BACK))
    _elsewhere: float = 0.0

    def on_event(self, event: Event) -> None:
        """Take note of how long a save took."""
        if isinstance(event, Saved):
            self._saves.append(event.seconds)
            self._asked = None  # the save is not part of the next piece of work

    def on_piece(self, seconds: float) -> None:
        """Take note of a piece of work that another process did while this one waits for it."""
        self._elsewhere = max(self._elsewhere, seconds)

    def over(self) -> str:
        """As :meth:`spent` while nothing is being done here: a wait can be left at any moment."""
        passed = self.clock() - self.began
        to_come = self._elsewhere + max(self._saves, default=0.0) + self.reserve()
        if passed + _MARGIN * to_come + _AT_LEAST <= self.seconds:
            return ""
        return self._words

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return self.seconds - (self.clock() - self.began)

    def spent(self) -> str:
        """Why to stop now, or nothing while there is time."""
        now = self.clock()
        if self._asked is not None:
            self._work.append(now - self._asked)
        self._asked = now
        to_come = max(self._work, default=0.0) + max(self._saves, default=0.0) + self.reserve()
        if now - self.began + _MARGIN * to_come + _AT_LEAST <= self.seconds:
            return ""
        return self._words

    @property
    def _words(self) -> str:
        return f"the budget of {self.words} is spent"


# One wish to stop may arrive twice: Ctrl-C reaches this process and torchrun, which passes it on;
# `timeout` and Slurm signal the process and then its group; a vanished terminal sends SIGHUP, and
# so does the shell. A person who insists takes longer.
_ONE_WISH = 1.0  # seconds
# Only these can insist. SIGXCPU comes each second until the hard limit, the others are notices.
_INSISTENT = {"SIGINT", "SIGTERM", "SIGBREAK"}
# Ctrl-C and the scheduler's own word are heard however the program was started. Others may have
# been ignored on purpose: nohup ignores SIGHUP so that the run outlives its terminal.
_ALWAYS_HEARD = {"SIGINT", "SIGTERM"}


class StoppedAtOnce(KeyboardInterrupt):
    """A signal ended the program where it stood.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class StopRequests:
    """The signals received so far.

    Attributes:
        patient: whether a first signal waits to be asked for. Before there is anything to save it
            is False, and every signal stops at once.
        clock: seconds from any fixed moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.patient = False
        self.clock = clock
        self._first = 0
        self._since = 0.0

    @property
    def number(self) -> int:
        """The first signal's number; 0 while there was none."""
        return self._first

    def why(self) -> str:
        """Why to stop now, or nothing."""
        return f"on {signal.Signals(self.number).name}" if self._first else ""

    def take(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal.

        Raises:
            StoppedAtOnce: it is a second wish to stop, or there is nothing to save yet.
        """
        if not self.patient:
            raise StoppedAtOnce(number)
        if not self._first:
            self._first, self._since = number, self.clock()
        elif self._insists(number):
            raise StoppedAtOnce(number)

    def _insists(self, number: int) -> bool:
        apart = self.clock() - self._since >= _ONE_WISH
        return apart and signal.Signals(number).name in _INSISTENT


@contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Take all signals that ask to stop within this block.

    On another thread than the main one, as in a web server or a notebook's, there are none to take.
    """
    requests = StopRequests()
    before = {}
    if on_main_thread():
        for number in stop_signals():
            held = signal.getsignal(number)
            ignored = held is signal.SIG_IGN and number.name not in _ALWAYS_HEARD
            if held is None or ignored:  # None: a debugger's, put there by C
                continue
            before[number] = signal.signal(number, requests.take)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
