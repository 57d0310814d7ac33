"""The doors: a checkpoint is read from its sealed file, or from the one before it, and written."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decamo.checkpoint.typed import Checkpoint
from decamo.errors import CheckpointDamaged, CheckpointError, CheckpointForeign, CheckpointMissing
from decamo.schedule import Position
from decamo.storage import RunFolder, previous_of
from decamo.storage.foreign_file import read_foreign
from decamo.storage.sealed import is_sealed, load_sealed, save_sealed, sealed_outline

__all__ = [
    "Outline",
    "Recovered",
    "load_checkpoint",
    "load_or_previous",
    "newest_of",
    "read_outline",
    "save_checkpoint",
]


@dataclass(frozen=True)
class Outline:
    """What a checkpoint file says of itself, read without its tensors.

    Attributes:
        position: of the run.
        architecture: the network's description; empty where it has none.
    """

    position: Position
    architecture: dict[str, Any]


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of any format after its digest matched; tensors on the CPU.

    Raises:
        CheckpointMissing: there is no such file.
        CheckpointDamaged: truncated or altered.
        CheckpointForeign: not written by decamo, or it holds something else than a run.
    """
    try:
        return Checkpoint.from_plain(load_sealed(path))
    except CheckpointForeign as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: CheckpointForeign) -> CheckpointForeign:
    """What another program's file holds, and how it becomes a run here; else the error as it is."""
    try:
        if is_sealed(path):
            return error
        held = read_foreign(path).description()
    except CheckpointError as why:
        return CheckpointForeign(path, f"{error.got}; {why.got}", why.remedy)
    return CheckpointForeign(
        path,
        f"another program wrote it: {held}",
        f"make a run of it: decamo adopt {path} --network FILE.py:FUNCTION --out runs/adopted",
    )


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint durably; the file before it is kept beside it.

    Raises:
        StorageError: it could not be written; the old file is untouched.
    """
    save_sealed(path, checkpoint.to_plain())


def read_outline(path: Path, *, check: bool = True) -> Outline:
    """What the file says of itself: quick, and small in memory.

    Args:
        path: the checkpoint.
        check: False leaves the digest out; then nothing in the answer can be relied on.

    Raises:
        CheckpointError: as :func:`load_checkpoint`; or it says nothing of a position.
    """
    plain = sealed_outline(path, check=check)
    position, architecture = plain.get("position"), plain.get("architecture")
    if isinstance(position, dict) and all(type(position.get(k)) is int for k in ("epoch", "step")):
        micro = position.get("micro")
        here = Position(position["epoch"], position["step"], micro if type(micro) is int else 0)
        return Outline(here, architecture if isinstance(architecture, dict) else {})
    raise CheckpointForeign(path, "it has no position in a run", "use another checkpoint")


@dataclass(frozen=True)
class Recovered:
    """A checkpoint that could be read.

    Attributes:
        checkpoint: what it holds.
        path: the file that it came from.
        notes: a sentence for people where this is not the file asked for; else empty.
    """

    checkpoint: Checkpoint
    path: Path
    notes: tuple[str, ...] = ()


def load_or_previous(path: Path) -> Recovered:
    """Load ``path``; where it is damaged or missing, the good file that it replaced.

    A file that decamo did not write is never passed over: somebody meant it.

    Raises:
        CheckpointMissing: there is neither.
        CheckpointDamaged: it is damaged, and there is no good one before it.
        CheckpointForeign: not written by decamo.
    """
    try:
        return Recovered(load_checkpoint(path), path)
    except (CheckpointDamaged, CheckpointMissing) as error:
        previous = previous_of(path)
        try:
            checkpoint = load_checkpoint(previous)
        except CheckpointMissing:
            raise error from None
        except CheckpointError as second:
            got = f"{error.got}; and {previous.name}, the one before it: {second.got}"
            remedy = "use another checkpoint of the run folder, such as best_model.pth"
            raise type(error)(path, got, remedy) from error
        note = _note(path, error.got, previous, checkpoint.position)
        return Recovered(checkpoint, previous, (note,))


def newest_of(folder: RunFolder, say: Callable[[str], object] = lambda note: None) -> Path | None:
    """The usable checkpoint of a run folder that is farthest on, by the step inside it.

    Positions are read first, which takes no time; then digests are checked from the farthest
    down until one matches, so that in a sound folder one file is read once.

    Args:
        folder: the run folder.
        say: told a sentence about every file that was passed over because it cannot be used.

    Returns:
        the path, or None where the folder holds no checkpoint at all.

    Raises:
        CheckpointError: it holds checkpoints, but none that can be used: no run must start anew
            over them without a word.
    """
    candidates = (folder.last, folder.best, previous_of(folder.last), previous_of(folder.best))
    present = [path for path in candidates if path.exists()]
    # Python's sort keeps the order of equals: of two at one step, the earlier in the list.
    ranked = sorted(present, key=_claimed_step, reverse=True)
    failures: list[tuple[Path, CheckpointError]] = []
    for path in ranked:
        try:
            outline = read_outline(path)
        except CheckpointError as failure:
            failures.append((path, failure))
            continue
        for bad, why in failures:
            say(_note(bad, why.got, path, outline.position))
        return path
    if failures:
        raise failures[0][1]
    return None


def _claimed_step(path: Path) -> float:
    """The step that a file says it stands at, unchecked; one that cannot say comes first.

    It could be the farthest, so it is to be found wanting, and told, before another is taken.
    """
    try:
        return read_outline(path, check=False).position.step
    except CheckpointError:
        return math.inf


def _note(bad: Path, got: str, taken: Path, position: Position) -> str:
    """What was wrong with one file, which is taken instead, and how far back that is."""
    stands = f"it stands at epoch {position.epoch}, step {position.step}"
    try:
        claimed = read_outline(bad, check=False).position
    except CheckpointError:
        return f"warning: {bad} cannot be used ({got}); {taken} is taken instead: {stands}"
    epochs, steps = claimed.epoch - position.epoch, claimed.step - position.step
    back = f"{epochs} epochs and {steps} steps before what the damaged file says of itself"
    return f"warning: {bad} cannot be used ({got}); {taken} is taken instead: {stands}, {back}"
