"""Which epoch snapshots to keep: a pure function, and the names of their files."""

import re
from collections.abc import Iterable
from pathlib import Path

from decamo.storage.durable import keep_copy, storage_error, sync_folder

__all__ = ["epochs_to_keep", "keep_snapshot", "snapshot_name", "snapshots_in"]

_SNAPSHOT = re.compile(r"epoch-(\d{4,})\.pth")
_LEFT_OVER = re.compile(r"\.epoch-\d{4,}\.pth\.tmp")


def snapshot_name(epoch: int) -> str:
    """``epoch-0090.pth`` for the checkpoint after epoch 90."""
    return f"epoch-{epoch:04d}.pth"


def snapshots_in(root: Path) -> dict[int, Path]:
    """Epoch -> its snapshot, in order of epochs; other files, protected copies too, are not it."""
    found = {
        int(match.group(1)): path
        for path in (root.iterdir() if root.is_dir() else ())
        if (match := _SNAPSHOT.fullmatch(path.name)) and path.name == snapshot_name(int(match[1]))
    }
    return dict(sorted(found.items()))


def epochs_to_keep(
    epochs: Iterable[int], now: int, *, keep_last: int = 0, keep_every: int = 0
) -> frozenset[int]:
    """The epochs, of those that could be kept, whose snapshots stay.

    Args:
        epochs: epochs that have a snapshot, or could have one.
        now: the epoch just done. Later ones come from another branch in the same folder and stay
            until this one reaches them.
        keep_last: how many of the newest up to ``now`` to keep; 0 for none.
        keep_every: keep epochs divisible by this as well; 0 for none.
    """
    past = sorted(epoch for epoch in epochs if epoch <= now)
    newest = past[-keep_last:] if keep_last > 0 else []
    milestones = [epoch for epoch in past if keep_every > 0 and epoch % keep_every == 0]
    return frozenset((*newest, *milestones, *(epoch for epoch in epochs if epoch > now)))


def keep_snapshot(
    source: Path,
    root: Path,
    epoch: int,
    *,
    keep_last: int,
    keep_every: int,
    spare: Path | None = None,
) -> Path | None:
    """Name the bytes of ``source`` as the snapshot of ``epoch``, and drop snapshots now too old.

    The snapshot is a hard link: it takes no time, and room only once ``source`` is replaced. The
    new one is made, and on the disk, before an old one goes.

    Args:
        source: the newest checkpoint.
        root: the run folder.
        epoch: the epoch just done.
        keep_last: as in :func:`epochs_to_keep`; with both 0, nothing is made and nothing dropped.
        keep_every: likewise.
        spare: a file never to be dropped or replaced: the one resumed from.

    Returns:
        the snapshot, or None where ``epoch`` is not one to keep.

    Raises:
        StorageError: it could not be done; no snapshot was lost.
    """
    if keep_last <= 0 and keep_every <= 0:
        return None
    path = root / snapshot_name(epoch)
    try:
        held = snapshots_in(root)
        keep = epochs_to_keep({*held, epoch}, epoch, keep_last=keep_last, keep_every=keep_every)
        if epoch in keep and not _same(path, spare):
            keep_copy(source, path)
            sync_folder(root)
        for old, snapshot in held.items():
            if old not in keep and not _same(snapshot, spare):
                snapshot.unlink(missing_ok=True)
        _sweep(root)
    except OSError as error:
        raise storage_error(path, error) from error
    return path if epoch in keep else None


def _same(path: Path, spare: Path | None) -> bool:
    return spare is not None and path.resolve() == spare.resolve()


def _sweep(root: Path) -> None:
    """Drop what a kill left between link and rename; it would hold a whole file's room for ever."""
    for path in root.iterdir():
        if _LEFT_OVER.fullmatch(path.name):
            path.unlink(missing_ok=True)
