"""Files of a race that outlive a process: who holds a trial, and what the trial found.

A claim is ``NAME.claim-0001``, made with O_EXCL, which every shared file system worth the name
does in one piece. Its owner touches it; where it was not touched for long, or its process is dead
on this machine, the next number is claimed, and O_EXCL again lets one taker only through. An owner
that wakes up late finds a higher number and leaves.
"""

import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.storage import storage_error, write_whole
from decamo.storage.owner_file import Holder

__all__ = [
    "STALE_AFTER",
    "ClaimLost",
    "LostKind",
    "LostTrial",
    "Result",
    "Rung",
    "TrialClaim",
    "matrix",
    "plain_of",
    "read_result",
    "take",
    "write_result",
]

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
    if number and _lives(_claim_path(folder, name, number), now, stale):
        return None
    path = _claim_path(folder, name, number + 1)
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
            _claim_path(folder, name, old).unlink(missing_ok=True)
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


def _claim_path(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}.claim-{number:04d}"


@dataclass(frozen=True)
class Rung:
    """A trial after some of its epochs.

    Attributes:
        epoch: number of the epoch just trained; of the checkpoint's where none is.
        steps: optimizer steps made since the checkpoint.
        iou: mean over the validation images.
        ious: key of the pair -> its IoU.
        loss: mean training loss of the epoch; None before the first.
        rate: head's learning rate of the last step made (of the first, before any is).
        seconds: spent in this epoch's training and validation.
        train_seconds: of them in training.
    """

    epoch: int
    steps: int
    iou: float
    ious: Mapping[str, float]
    loss: float | None
    rate: float
    seconds: float
    train_seconds: float = 0.0


class LostKind(StrEnum):
    """What takes a branch out of a race."""

    DIVERGED = "diverged"
    MEMORY = "out of memory"


@dataclass(frozen=True)
class LostTrial:
    """Why a trial could not be finished; in words and in files ``diverged: what happened``."""

    kind: LostKind
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"

    @staticmethod
    def from_words(words: str) -> "LostTrial | None":
        """The inverse of ``str``; None of no words.

        Raises:
            ValueError: words of another kind.
        """
        kind, _, what = words.partition(": ")
        return LostTrial(LostKind(kind), what) if words else None


@dataclass(frozen=True)
class Result:
    """What is known of a trial.

    Attributes:
        name: of its branch.
        rungs: epochs trained since the checkpoint -> what it was worth then; 0 before the first.
        lost: why it could not be finished; None while it can.
    """

    name: str
    rungs: Mapping[int, Rung]
    lost: LostTrial | None = None

    def with_rung(self, number: int, rung: Rung) -> "Result":
        """This and one more; what was known of later rungs is forgotten."""
        kept = {n: r for n, r in self.rungs.items() if n < number}
        return replace(self, rungs=kept | {number: rung})

    @property
    def last(self) -> Rung | None:
        """The newest rung."""
        return self.rungs[max(self.rungs)] if self.rungs else None

    @property
    def seconds(self) -> float:
        """Spent in all."""
        return sum(r.seconds for r in self.rungs.values())


def write_result(folder: Path, result: Result) -> None:
    """Write it as ``NAME.json``, whole or not at all.

    Raises:
        StorageError: it cannot be written; the one before it is untouched.
    """
    rungs = {str(number): asdict(rung) for number, rung in result.rungs.items()}
    plain = {"name": result.name, "rungs": rungs, "lost": str(result.lost or "")}
    write_whole(_result_path(folder, result.name), json.dumps(plain).encode())


def read_result(folder: Path, name: str) -> Result:
    """What was written; an empty result where nothing was, or nothing that can be read."""
    try:
        plain = json.loads(_result_path(folder, name).read_bytes())
        rungs = {int(number): Rung(**rung) for number, rung in plain["rungs"].items()}
        return Result(name, rungs, LostTrial.from_words(str(plain["lost"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Result(name, {})


def matrix(rungs: Mapping[str, Rung]) -> dict[str, npt.NDArray[np.float64]]:
    """Branch -> IoU of each image, float64 ``[images]``, the images in one order for all.

    Raises:
        ValueError: the branches were not scored on the same images.
    """
    keys: list[str] = sorted(next(iter(rungs.values())).ious)
    if any(sorted(rung.ious) != keys for rung in rungs.values()):
        raise ValueError("want the same images of all branches")
    return {name: np.array([rung.ious[k] for k in keys]) for name, rung in rungs.items()}


def _result_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def plain_of(result: Result) -> dict[str, Any]:
    """Without the scores of single images, for a report."""
    rungs = {
        n: {k: v for k, v in asdict(r).items() if k != "ious"} for n, r in result.rungs.items()
    }
    return {"name": result.name, "rungs": rungs, "lost": str(result.lost or "")}
