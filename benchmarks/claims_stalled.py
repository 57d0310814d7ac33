"""A run that stalls as the action plan's user did: some epochs at a good rate, then a low one."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from decamo.checkpoint import Checkpoint
from decamo.checkpoint.load_save import load_checkpoint, newest_of, read_outline
from decamo.data.waiting import StopAsked
from decamo.errors import CheckpointError
from decamo.history import Event, Journal
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.storage import RunFolder
from decamo.storage.owner import Ownership
from decamo.training.data_splits import DataSplits
from decamo.training.owning import own_in_time
from decamo.training.prepare import prepare
from decamo.training.runtime import Runtime

__all__ = ["Stalled", "held_stall", "stall"]


@dataclass(frozen=True)
class Stalled:
    """The checkpoint from which branches set out.

    Attributes:
        path: of it.
        checkpoint: what it holds.
        settings: of the run.
    """

    path: Path
    checkpoint: Checkpoint
    settings: TrainSettings


def held_stall(settings: TrainSettings) -> Stalled | None:
    """The checkpoint at the end of the run's plan; None where its folder has not come so far.

    Raises:
        CheckpointError: it cannot be read, nor the one before it.
    """
    folder = RunFolder(settings.run.checkpoint_dir)
    with suppress(CheckpointError):  # asked often while another trains it
        outline = read_outline(folder.last, check=False)
        if outline.position.epoch < settings.schedule.last_epoch:
            return None
    newest = newest_of(folder) if folder.last.exists() else None
    if newest is None:
        return None
    checkpoint = load_checkpoint(newest)
    if checkpoint.position.epoch < settings.schedule.last_epoch:
        return None
    return Stalled(newest, checkpoint, settings)


def stall(
    settings: TrainSettings,
    splits: DataSplits,
    runtime: Runtime,
    *,
    stop: Callable[[], str],
    clock: Callable[[], float],
    on_event: Callable[[Event], None],
) -> str:
    """Train the run to the end of its plan, from wherever its folder stands.

    Its last epochs are a stage 3, which holds a constant rate: what ``--scheduler none`` at a low
    rate does to a run.

    Args:
        settings: of the run; ``checkpoint_dir`` is its folder.
        splits: the images.
        runtime: device; one process.
        stop: asked between steps; a reason saves and ends the work.
        clock: seconds from any fixed moment.
        on_event: told every event.

    Returns:
        why it stopped before the end; empty where it did not.

    Raises:
        DecamoError: disk, data, settings, or the run diverged.
    """
    folder = RunFolder(settings.run.checkpoint_dir)
    try:
        with own_in_time(folder.root, stop=stop, say=lambda _line: None) as owned:
            return _stall(settings, splits, runtime, owned, stop, clock, on_event)
    except StopAsked as asked:
        return str(asked)


def _stall(
    settings: TrainSettings,
    splits: DataSplits,
    runtime: Runtime,
    owned: Ownership,
    stop: Callable[[], str],
    clock: Callable[[], float],
    on_event: Callable[[Event], None],
) -> str:
    folder = RunFolder(settings.run.checkpoint_dir)
    newest = newest_of(folder) if folder.last.exists() else None
    checkpoint = None if newest is None else load_checkpoint(newest)
    if checkpoint is None:
        folder.open(None)
    at = replace(settings, run=replace(settings.run, resume_from=newest))
    prepared = prepare(at, folder, runtime, splits, checkpoint, stop=stop, clock=clock)
    resumption = prepared.resumption
    with Journal(folder.journal) as journal:
        line = {
            "word": resumption.kind.value,
            "reason": resumption.reason,
            "settings": to_plain(at),
            "ledger": resumption.lineage.to_plain(),
            "train_images": len(splits.train),
            "val_images": len(splits.val),
            "device": str(runtime.device),
        }
        journal.write("run", line)
        for event in prepared.trainer.run():
            owned.check()
            journal.on_event(event)
            on_event(event)
    done = prepared.trainer.state.position.epoch >= settings.schedule.last_epoch
    return "" if done else stop() or "asked to stop"
