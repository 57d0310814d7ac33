"""Signals that ask a program to stop; every command takes them."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from decamo.system import on_main_thread, stop_signals

__all__ = ["StopRequests", "StoppedAtOnce", "stop_requests"]

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
