"""Claim files: several processes on one folder, on one machine or many, each take other trials.

A claim is ``NAME.claim-0001``, made with O_EXCL, which every shared file system worth the name
does in one piece. Its owner touches it; where it was not touched for long, or its process is dead
on this machine, the next number is claimed, and O_EXCL again lets one taker only through. An owner
that wakes up late finds a higher number and leaves.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from decamo.storage import storage_error
from decamo.storage.owner import Holder

__all__ = ["STALE_AFTER", "ClaimLost", "TrialClaim", "take"]

# Longer than anything between two events of a trainer: building the network, reading a checkpoint
# over a slow share, one optimizer step.
STALE_AFTER = 900.0  # seconds
_BEAT = 20.0  # seconds between two touches
_FORM = re.compile(r"(.+)\.claim-(\d{4,})")


class ClaimLost(Exception):
    """Another process took over what this one did not touch for too long."""


@dataclass
class TrialClaim:
    """Held while a trial is trained; a context manager that gives it back.

    Attributes:
        path: the file.
        clock: seconds from any fixed moment.
    """

    path: Path
    clock: Callable[[], float]
    _beaten: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._beaten = self.clock()

    def beat(self) -> None:
        """Say that the owner is alive; cheap, to be called at every event.

        Raises:
            ClaimLost: another process holds it now.
        """
        now = self.clock()
        if now - self._beaten < _BEAT:
            return
        self._beaten = now
        name, number = _parts(self.path)
        held = _newest(self.path.parent, name)
        if held != number:
            raise ClaimLost(name)
        try:
            os.utime(self.path)
        except OSError as error:
            raise ClaimLost(name) from error

    @contextmanager
    def beating(self, every: float = _BEAT) -> Iterator[None]:
        """Beat from a thread, around work that knows nothing of claims."""
        over = threading.Event()

        def touch() -> None:
            while not over.wait(every):
                with suppress(OSError):
                    os.utime(self.path)

        thread = threading.Thread(target=touch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def __enter__(self) -> "TrialClaim":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def take(
    folder: Path, name: str, *, now: float, clock: Callable[[], float], stale: float = STALE_AFTER
) -> TrialClaim | None:
    """Claim the trial ``name``; None where a living process has it.

    Args:
        folder: of the race.
        name: of the trial.
        now: seconds since the epoch, as the file system counts them.
        clock: for the claim's own beat.
        stale: seconds without a beat after which an owner counts as dead.

    Raises:
        StorageError: the folder cannot be written.
    """
    number = _newest(folder, name)
    if number and _lives(_path(folder, name, number), now, stale):
        return None
    path = _path(folder, name, number + 1)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return None
    except OSError as error:
        raise storage_error(path, error) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(Holder.this(now).to_bytes())
    for old in range(1, number + 1):
        with suppress(OSError):
            _path(folder, name, old).unlink(missing_ok=True)
    return TrialClaim(path, clock)


def _lives(path: Path, now: float, stale: float) -> bool:
    try:
        if now - path.stat().st_mtime > stale:
            return False
        owner = Holder.read(path.read_bytes())
    except OSError:  # given back just now: whoever looks next may have it
        return True
    # One that says nothing is being written; if for ever, it goes stale.
    return owner is None or owner.lives() is not False


def _newest(folder: Path, name: str) -> int:
    numbers = [
        int(match.group(2))
        for path in folder.glob(f"{name}.claim-*")
        if (match := _FORM.fullmatch(path.name)) and match.group(1) == name
    ]
    return max(numbers, default=0)


def _parts(path: Path) -> tuple[str, int]:
    name, _, number = path.name.rpartition(".claim-")
    return name, int(number)


def _path(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}.claim-{number:04d}"
