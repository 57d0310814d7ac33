"""Progress and rate of a long piece of work, on a terminal and in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["RateLines", "progress_of"]

_EACH_S = 30.0  # between two lines of a log


class RateLines:
    """A line of a log now and then, such as ``predicted 240 of 1000, 8.0 a second``.

    Args:
        say: called with a line.
        verb: what was done.
        total: how many there are; None where nobody knows.
        clock: seconds from any fixed moment.
    """

    def __init__(
        self,
        say: Callable[[str], object],
        verb: str,
        total: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say, self._verb, self._total, self._clock = say, verb, total, clock
        self._count = 0
        self._began = self._told = clock()

    def advance(self) -> None:
        """One more is done."""
        self._count += 1
        now = self._clock()
        if now - self._told >= _EACH_S:
            self._told = now
            of = "" if self._total is None else f" of {self._total}"
            rate = self._count / (now - self._began)
            self._say(f"{self._verb} {self._count}{of}, {rate:.1f} a second")


@contextmanager
def progress_of(
    stream: TextIO, verb: str, total: int | None, done: int = 0
) -> Iterator[Callable[[], None]]:
    """A bar with the rate on a terminal, lines elsewhere; call what it gives for each that is done.

    Args:
        stream: standard error, usually.
        verb: what is done, in the past.
        total: how many there are; None where nobody knows.
        done: how many of them were done before.
    """
    if not stream.isatty():
        lines = RateLines(lambda line: stream.write(f"{line}\n"), verb, total)
        yield lines.advance
        return
    from decamo.report.rate_bar import rate_bar  # rich, on a terminal alone: decisions/0007

    with rate_bar(stream, verb, total, done) as advance:
        yield advance
