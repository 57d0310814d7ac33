"""What a trial found, in a file that outlives its process."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.storage import write_whole

__all__ = [
    "LostKind",
    "LostTrial",
    "Result",
    "Rung",
    "matrix",
    "plain_of",
    "read_result",
    "write_result",
]


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
