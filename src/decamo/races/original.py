"""The race that a folder holds: which checkpoint it was begun with, wherever that lies by now."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["RACE", "digest_of", "held_race", "original_of"]

RACE = "race.json"


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def held_race(root: Path) -> Mapping[str, Any]:
    """What ``race.json`` says; empty where there is none, or none that can be read."""
    try:
        held = json.loads((root / RACE).read_bytes())
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def original_of(path: Path, root: Path) -> Path:
    """The checkpoint that the race in ``root`` was begun with, by its digest.

    The winner's run may have written over ``best_model.pth`` since; the copy that was kept of it,
    such as ``best_model.epoch-0086.pth``, is then what the same command means.

    Args:
        path: as the command names it.
        root: folder of the race, in the run folder.
    """
    digest = held_race(root).get("checkpoint")
    if not digest or digest_of(path) == digest:
        return path
    copies = sorted(root.parent.glob(f"{path.stem}.epoch-*.pth"))
    return next((copy for copy in copies if digest_of(copy) == digest), path)
