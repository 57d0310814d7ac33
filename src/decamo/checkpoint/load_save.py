"""The doors: a checkpoint is read from its sealed file here, and written here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decamo.checkpoint.typed import Checkpoint
from decamo.errors import CheckpointError, CheckpointForeign
from decamo.schedule import Position
from decamo.storage.foreign_file import read_foreign
from decamo.storage.sealed import is_sealed, load_sealed, save_sealed, sealed_outline

__all__ = ["Outline", "load_checkpoint", "read_outline", "save_checkpoint"]


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
