"""What lies in a run folder, and what each file is for."""

import re
from dataclasses import dataclass
from pathlib import Path

from decamo.storage.durable import previous_of
from decamo.storage.run_folder import RunFolder

__all__ = ["Content", "contents"]

_COPY = re.compile(r".+\.epoch-\d+(-\d+)?\.pth")
_SNAPSHOT = re.compile(r"epoch-(\d+)\.pth")


@dataclass(frozen=True)
class Content:
    """One file or folder of a run folder.

    Attributes:
        name: in the folder.
        role: what it is for; empty where it is none of ours.
        bytes: its size; of a folder that of all files in it.
    """

    name: str
    role: str
    bytes: int


def contents(root: Path) -> tuple[Content, ...]:
    """What lies in a run folder: what has a role first, then by name; empty where nothing does."""
    try:
        paths = sorted(root.iterdir())
    except OSError:
        return ()
    roles = _roles(RunFolder(root))
    found = [Content(p.name, roles.get(p) or _by_name(p.name), _bytes(p)) for p in paths]
    order = {path.name: number for number, path in enumerate(roles)}
    return tuple(sorted(found, key=lambda c: (order.get(c.name, len(order)), not c.role, c.name)))


def _roles(folder: RunFolder) -> dict[Path, str]:
    return {
        folder.best: "the checkpoint with the best validation IoU",
        previous_of(folder.best): "the one before it",
        folder.last: "the newest checkpoint",
        previous_of(folder.last): "the one before it",
        folder.journal: "every step and epoch, a JSON object a line",
        folder.config: "the settings in force; repeat the run with --config",
        folder.root / "config.given.toml": "the settings file that lay there before",
        folder.picture: "the planned learning rates",
        folder.report: "the run as a page",
        folder.tensorboard: "event files for TensorBoard",
        folder.root / "trackers": "what other trackers know of the run",
        folder.census: "what was seen of the data",
        folder.races: "races of branches, and what each trial found",
        folder.escaped: "the checkpoint that a race's winner set out from",
        folder.suspects: "images that made the loss non-finite",
    }


def _by_name(name: str) -> str:
    if name.startswith(".owner-"):
        return "which process has the folder now"
    if _COPY.fullmatch(name):
        return "a checkpoint that was resumed from"
    snapshot = _SNAPSHOT.fullmatch(name)
    return f"the checkpoint of epoch {int(snapshot[1])}" if snapshot else ""


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    total = 0
    for file in files:
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:  # it went away meanwhile: a run may be under way
            continue
    return total
