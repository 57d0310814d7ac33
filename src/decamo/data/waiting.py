"""Who is listened to while a file is awaited, and how long is too long.

While one waits it looks now and then whether there is a reason to stop, and says so where a wait is
longer than usual.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from decamo.errors import DataStalled

__all__ = ["LISTEN_S", "NOBODY", "Ear", "Listen", "Patience", "StopAsked", "Wait"]

Listen = Callable[[], str]

LISTEN_S = 0.2  # between two looks at signals and budget
_NOTICE = 10.0  # times the slowest of the recent reads: they vary by the size of files and caches
_AT_LEAST = 5.0  # seconds; a cold disk spins up, a network file system hiccups
_UNKNOWN = 20.0  # seconds, while nothing was measured: processes start, imports come from disk
_GIVE_UP = 20.0  # times the slowest
_RECENT = 50
_BLINK = 5.0  # seconds between two looks that count at most: beyond, nobody was there to look


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
