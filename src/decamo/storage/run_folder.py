"""The run folder: which file lies where, and what each is for."""

import filecmp
import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from decamo.errors import SettingsError
from decamo.storage.durable import keep_copy, make_folder, previous_of, storage_error
from decamo.storage.keeping import keep_snapshot
from decamo.storage.outputs import Written

__all__ = [
    "Content",
    "RunFolder",
    "contents",
]


@dataclass(frozen=True)
class RunFolder:
    """``--checkpoint-dir`` and the names of what a run leaves there."""

    root: Path

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation IoU."""
        return self.root / "best_model.pth"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.root / "last.pth"

    @property
    def journal(self) -> Path:
        """What happened, a JSON object a line, only ever appended to."""
        return self.root / "journal.jsonl"

    @property
    def config(self) -> Path:
        """The settings in force, to repeat the run with ``--config``."""
        return self.root / "config.toml"

    @property
    def census(self) -> Path:
        """What was seen of the data, so that an unchanged file is not decoded again."""
        return self.root / "census.json"

    @property
    def pseudo_labels(self) -> Path:
        """Masks that a network gave to unlabelled photographs, and ``index.json`` of them."""
        return self.root / "pseudo-labels"

    @property
    def mirror(self) -> Path:
        """Which run this is in its mirror, and where that was."""
        return self.root / "mirror.json"

    @property
    def tensorboard(self) -> Path:
        """Event files for TensorBoard."""
        return self.root / "tensorboard"

    @property
    def races(self) -> Path:
        """Races of branches; of those that the run held by itself, each in ``epoch-0086``."""
        return self.root / "escape"

    @property
    def escaped(self) -> Path:
        """Where the winner of a race set out from: the raced checkpoint under the winner's plan."""
        return self.root / "escaped.pth"

    @property
    def suspects(self) -> Path:
        """Images that made the loss non-finite, as the network saw them."""
        return self.root / "suspects"

    @property
    def rehearsal(self) -> Path:
        """A checkpoint written, read back and dropped by ``--dry-run``."""
        return self.root / ".rehearsal.pth"

    @property
    def picture(self) -> Path:
        """The plan's learning rates as a picture."""
        return self.root / "plan.png"

    @property
    def report(self) -> Path:
        """The run as a page for people."""
        return self.root / "report.html"

    def written(self) -> list[Written]:
        """The files that a run writes there, for :func:`decamo.storage.outputs.check_outputs`."""
        flag = "--checkpoint-dir"
        checkpoints = (self.best, self.last, self.escaped, self.rehearsal)
        every = (
            *checkpoints,
            *map(previous_of, checkpoints),
            self.config,
            self.census,
            self.mirror,
        )
        replaced = [Written(flag, path, linked=True) for path in (*every, self.journal)]
        return [Written(flag, self.root, folder=True), *replaced, Written(flag, self.picture)]

    def open(self, resume_from: Path | None) -> None:
        """Make the folder, unless another run lives there.

        Raises:
            SettingsError: it holds a run that is not the one to be resumed.
            StorageError: it cannot be made.
        """
        make_folder(self.root)
        held = [p.name for p in (self.best, self.last) if p.exists()]
        same = resume_from is not None and resume_from.resolve().parent == self.root.resolve()
        if held and not same:
            raise SettingsError(
                "--checkpoint-dir",
                f"{self.root} already holds a run ({', '.join(held)})",
                f"go on with --resume-from {self.root / held[-1]}, or name another folder",
            )

    def protect(self, resume_from: Path, epoch: int) -> Path | None:
        """Keep the file resumed from, if this run would write over it.

        Returns:
            the copy's path, or None where the file is in no danger.

        Raises:
            StorageError: the copy cannot be made.
        """
        rewritten = (self.best, self.last, previous_of(self.best), previous_of(self.last))
        if resume_from.resolve() not in {p.resolve() for p in rewritten}:
            return None
        name = f"{resume_from.stem}.epoch-{epoch:04d}"
        copy = self.root / f"{name}.pth"
        try:
            # Another branch may have left its own checkpoint of this epoch there.
            for number in count(2):
                if not copy.exists() or filecmp.cmp(resume_from, copy, shallow=False):
                    break
                copy = self.root / f"{name}-{number}.pth"
            keep_copy(resume_from, copy)
        except OSError as error:
            raise storage_error(copy, error) from error
        return copy

    def keep_given_config(self) -> Path:
        """Keep a ``config.toml`` that a person wrote, as ``config.given.toml``, comments and all.

        Returns:
            the copy's path.

        Raises:
            StorageError: the copy cannot be made.
        """
        copy = self.root / "config.given.toml"
        try:
            for number in count(2):
                if not copy.exists() or filecmp.cmp(self.config, copy, shallow=False):
                    break
                copy = self.root / f"config.given-{number}.toml"
            keep_copy(self.config, copy)
        except OSError as error:
            raise storage_error(copy, error) from error
        return copy

    def snapshot(
        self, epoch: int, keep_last: int, keep_every: int, resumed_from: Path | None = None
    ) -> Path | None:
        """Keep ``last.pth`` as ``epoch-0090.pth`` and drop the snapshots that are now too old.

        Best, last, their previous ones, protected copies and ``resumed_from`` are never dropped.
        To be called right after ``last.pth`` was saved; the rules are those of
        :func:`decamo.storage.epochs_to_keep`.

        Returns:
            the snapshot, or None where this epoch is not one to keep.

        Raises:
            StorageError: it could not be done; no snapshot was lost.
        """
        return keep_snapshot(
            self.last,
            self.root,
            epoch,
            keep_last=keep_last,
            keep_every=keep_every,
            spare=resumed_from,
        )


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
        folder.pseudo_labels: "masks that a network gave to unlabelled photographs",
        folder.mirror: "where the run is copied to",
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
