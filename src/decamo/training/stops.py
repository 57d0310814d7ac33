"""Requests to stop, from signals: the first one saves first, a second one stops at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopRequests", "StoppedAtOnce", "stop_requests"]


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
    """

    def __init__(self) -> None:
        self.patient = False
        self._numbers: list[int] = []

    @property
    def number(self) -> int:
        """The first signal's number; 0 while there was none."""
        return self._numbers[0] if self._numbers else 0

    def why(self) -> str:
        """Why to stop now, or nothing."""
        return f"on {signal.Signals(self.number).name}" if self._numbers else ""

    def take(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal.

        Raises:
            StoppedAtOnce: it is the second one, or there is nothing to save yet.
        """
        if self._numbers or not self.patient:
            raise StoppedAtOnce(number)
        self._numbers.append(number)


@contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Take SIGINT and SIGTERM within this block."""
    requests = StopRequests()
    before = {s: signal.signal(s, requests.take) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
