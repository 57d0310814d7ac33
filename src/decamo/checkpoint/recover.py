"""What to go on from when the newest checkpoint is damaged or gone: the one before it, loudly."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from decamo.checkpoint.load_save import load_checkpoint, read_outline
from decamo.checkpoint.typed import Checkpoint
from decamo.errors import CheckpointDamaged, CheckpointError, CheckpointMissing
from decamo.schedule import Position
from decamo.storage import RunFolder, previous_of

__all__ = ["Recovered", "load_or_previous", "newest_of"]


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
