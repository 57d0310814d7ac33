"""One network of one seed, trained to the end of its epochs, from wherever it stands."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.quality_peers import PEERS
from benchmarks.quality_recipes import Entry
from benchmarks.quality_terms import Terms, differing
from decamo.checkpoint.load_save import load_checkpoint, newest_of, read_outline
from decamo.data.cache.opening import Pool
from decamo.data.waiting import StopAsked
from decamo.errors import SettingsError
from decamo.history import EpochDone, EpochRecord
from decamo.nn import SegmentationNetwork
from decamo.nn.weights import load_fitting
from decamo.schedule import SegmentKind
from decamo.settings import TrainSettings
from decamo.storage import RunFolder, previous_of, write_whole
from decamo.storage.owner import Ownership
from decamo.training.data_splits import DataSplits
from decamo.training.owning import own_in_time
from decamo.training.prepare import prepare
from decamo.training.runtime import Runtime

__all__ = ["Ground", "Trained", "tidy", "train_entry"]

_TOLD = "told.json"


@dataclass(frozen=True)
class Ground:
    """What all runs of a comparison stand on.

    Attributes:
        root: folder of the comparison.
        terms: what is the same for all.
        splits: the images.
        runtime: device; one process.
        stop: asked between steps; a reason saves and ends the run.
        clock: seconds from any fixed moment.
        say: told a line about every epoch.
        pool: training images that the networks read in turn.
    """

    root: Path
    terms: Terms
    splits: DataSplits
    runtime: Runtime
    stop: Callable[[], str]
    clock: Callable[[], float]
    say: Callable[[str], object]
    pool: Pool = field(default_factory=lambda: Pool(runs=len(PEERS)))


@dataclass(frozen=True)
class Trained:
    """A network at the end of its epochs.

    Attributes:
        model: the weights of the last step, or their moving average where the recipe has one.
        epochs: behind it.
        seconds: that its training took, reading included.
        checkpoint: its file.
        weights: ``raw`` or ``average``.
    """

    model: SegmentationNetwork
    epochs: int
    seconds: float
    checkpoint: Path
    weights: str


def train_entry(ground: Ground, entry: Entry, seed: int, epochs: int) -> Trained | None:
    """Train a network, its teacher first; one that was broken off goes on from its last epoch.

    Returns:
        the network, or None where it was stopped before its end.

    Raises:
        SettingsError: its folder holds a run under other settings.
        TrainingDiverged: loss or gradient stayed non-finite.
        DecamoError: disk or data.
    """
    folder = _folder(ground, entry, seed)
    told = ground.terms.trained_by(entry, seed, epochs, ground.splits)
    settings = ground.terms.settings(entry, seed, epochs, folder.root)
    if entry.teacher is not None:
        teacher = train_entry(ground, entry.teacher, seed, epochs)
        if teacher is None:
            return None
        followed = replace(settings.optimise, teacher=teacher.checkpoint)
        settings = replace(settings, optimise=followed)
    try:
        with own_in_time(folder.root, stop=ground.stop, say=ground.say) as owned:
            _insist(folder, told)
            if not _to_the_end(ground, entry, settings, folder, owned):
                return None
    except StopAsked:
        return None
    return _at_end(ground, entry, settings, folder)


def tidy(ground: Ground, entry: Entry, seed: int) -> None:
    """Leave of a scored run the checkpoint that was scored."""
    folder = _folder(ground, entry, seed)
    for path in (folder.best, previous_of(folder.best), previous_of(folder.last)):
        path.unlink(missing_ok=True)


def _folder(ground: Ground, entry: Entry, seed: int) -> RunFolder:
    return RunFolder(ground.root / f"{entry.slug}-seed{seed}")


def _insist(folder: RunFolder, told: Mapping[str, Any]) -> None:
    """Refuse a folder whose network was trained under other settings; a new one takes these."""
    path = folder.root / _TOLD
    if not any(folder.root.glob("*.pth")):
        write_whole(path, (json.dumps(told, indent=1) + "\n").encode())
        return
    try:
        held = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        what = f"{folder.root} holds a run that does not say how it was trained ({error})"
        raise SettingsError("--work", what, "name another folder") from error
    if words := differing(held, json.loads(json.dumps(told))):
        what = f"{folder.root} holds a run under other settings: {', '.join(words)}"
        raise SettingsError("--work", what, "name another folder")


def _to_the_end(
    ground: Ground, entry: Entry, settings: TrainSettings, folder: RunFolder, owned: Ownership
) -> bool:
    """Train up to the end, if it is not there yet; False where it was stopped before."""
    resume_from = newest_of(folder, ground.say)
    settings = replace(settings, run=replace(settings.run, resume_from=resume_from))
    if resume_from and read_outline(resume_from).position.epoch >= settings.schedule.last_epoch:
        return True
    folder.open(resume_from)
    prepared = prepare(
        settings,
        folder,
        ground.runtime,
        ground.splits,
        None if resume_from is None else load_checkpoint(resume_from),
        stop=ground.stop,
        clock=ground.clock,
        parts=entry.parts,
        pool=ground.pool,
    )
    if prepared.resumption.kind not in (SegmentKind.START, SegmentKind.CONTINUE):
        raise SettingsError(
            "--work",
            f"{folder.root} holds a run under other settings ({prepared.resumption.reason})",
            "name another folder",
        )
    for event in prepared.trainer.run():
        owned.check()
        if isinstance(event, EpochDone):
            ground.say(_line(entry, settings, event.record))
    return prepared.trainer.state.position.epoch >= settings.schedule.last_epoch


def _line(entry: Entry, settings: TrainSettings, record: EpochRecord) -> str:
    return (
        f"{entry.name}, seed {settings.run.seed}: epoch {record.epoch} of"
        f" {settings.schedule.last_epoch}, loss {record.loss:.4f}, {record.train_seconds:.0f} s"
    )


def _at_end(ground: Ground, entry: Entry, settings: TrainSettings, folder: RunFolder) -> Trained:
    state = load_checkpoint(folder.last)
    sizes = [settings.schedule.img_size]
    model = entry.build(settings.model, sizes=sizes, initialize=False, seed=settings.run.seed)
    weights = state.weights if state.ema is None else state.ema.weights
    load_fitting(model, weights, folder.last)
    return Trained(
        model.to(ground.runtime.device).eval(),
        state.position.epoch,
        sum(record.train_seconds for record in state.history),
        folder.last,
        "raw" if state.ema is None else "average",
    )
