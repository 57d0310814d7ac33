"""A budget of time: when to stop so that the last save still fits."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from decamo.history import Event, Saved

__all__ = ["Budget"]

# Steps and saves vary; what is to come is taken as the longest of the last so many, and half
# as much again. A budget overrun by a second is a session's work lost, a minute spared is not.
_LOOK_BACK = 50
_MARGIN = 1.5
_AT_LEAST = 2.0  # seconds for closing the journal, ending the readers and leaving


@dataclass
class Budget:
    """Tells between two pieces of work whether another one and a save still fit.

    A listener: it hears how long saves take. The trainer asks it after each optimiser step and each
    batch of validation, so the time between two questions is that of a piece of work.

    Attributes:
        words: the budget as it was given, such as ``11h30m``.
        seconds: the same, counted from ``began``.
        clock: seconds from any fixed moment.
        began: the clock's reading when the command began.
    """

    words: str
    seconds: float
    clock: Callable[[], float]
    began: float
    _asked: float | None = None
    _work: deque[float] = field(default_factory=lambda: deque(maxlen=_LOOK_BACK))
    _saves: deque[float] = field(default_factory=lambda: deque(maxlen=_LOOK_BACK))

    def hear(self, event: Event) -> None:
        """Take note of how long a save took."""
        if isinstance(event, Saved):
            self._saves.append(event.seconds)
            self._asked = None  # the save is not part of the next piece of work

    def over(self) -> str:
        """As :meth:`spent` while nothing is being done: a wait can be left at any moment."""
        passed = self.clock() - self.began
        if passed + _MARGIN * max(self._saves, default=0.0) + _AT_LEAST <= self.seconds:
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
        to_come = max(self._work, default=0.0) + max(self._saves, default=0.0)
        if now - self.began + _MARGIN * to_come + _AT_LEAST <= self.seconds:
            return ""
        return self._words

    @property
    def _words(self) -> str:
        return f"the budget of {self.words} is spent"
