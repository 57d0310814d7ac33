"""Reasons to stop: a time budget and others, and which of them was heard first."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from decamo.history import Event, Saved

__all__ = [
    "Budget",
    "Stop",
    "StopEars",
    "StopKind",
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
