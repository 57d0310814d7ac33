"""Another program's weights, moments, average and epochs as a checkpoint of a run here."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from decamo import __version__
from decamo.checkpoint import Best, Checkpoint, EmaWeights, EpochSums
from decamo.errors import CheckpointMismatch
from decamo.history import EpochRecord, Journal
from decamo.history.training_log import Point
from decamo.nn import SegmentationNetwork
from decamo.nn.foreign import ForeignNetwork
from decamo.nn.name_fitting import fit_names
from decamo.nn.weights import named
from decamo.schedule import HEAD, Lineage, Position, Segment, SegmentKind
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.storage import RunFolder
from decamo.storage.foreign_file import ForeignCheckpoint
from decamo.training.foreign_moments import MomentsUnmatchedError, moments_by_name
from decamo.training.state import generator_states

__all__ = ["adopted_checkpoint", "load_adopted_weights", "write_adopted_journal"]


def load_adopted_weights(
    network: SegmentationNetwork, weights: Mapping[str, Tensor], path: Path
) -> list[str]:
    """Load the file's weights into the network.

    Args:
        network: changed in place.
        weights: by the names in the file.
        path: of the file, for the error.

    Returns:
        what was done to the names, a line each.

    Raises:
        CheckpointMismatch: they are not the network's.
    """
    net = _inner(network)
    fitted = fit_names(weights, net.state_dict())
    if not fitted.is_whole:
        lacks = [f"it lacks {named(fitted.missing)}"] if fitted.missing else []
        odd = [f"of another shape are {named(fitted.misfit)}"] if fitted.misfit else []
        raise CheckpointMismatch(
            path,
            f"{len(fitted.weights)} of the network's {len(net.state_dict())} tensors are in it:"
            f" {'; '.join(lacks + odd)}",
            "name the network that it was trained with, as --network FILE.py:FUNCTION",
        )
    net.load_state_dict(dict(fitted.weights))
    notes = []
    if fitted.taken_off:
        notes.append(f"names in the file begin with {fitted.taken_off!r}, which was taken off")
    if fitted.put_on:
        notes.append(f"names in the file lack {fitted.put_on!r}, which was put on")
    if fitted.unknown:
        notes.append(
            f"warning: {len(fitted.unknown)} tensors of the file are none of the network's and were"
            f" left out: {named(fitted.unknown)}"
        )
    return notes


def _inner(network: SegmentationNetwork) -> nn.Module:
    """The module that the other program had."""
    if isinstance(network, ForeignNetwork):
        return network.net
    assert isinstance(network, nn.Module)
    return network


def adopted_checkpoint(
    network: SegmentationNetwork,
    foreign: ForeignCheckpoint,
    settings: TrainSettings,
    points: Sequence[Point],
    done: int,
    images: int | None,
    best_score: float | None,
) -> tuple[Checkpoint, list[str]]:
    """The run as it stands after the other program's last epoch.

    Args:
        network: with the file's weights.
        foreign: what the file holds.
        settings: of the run here.
        points: epochs of its log; none where there is no log.
        done: epochs behind it.
        images: training images in an epoch; None where nobody said.
        best_score: best IoU in [0, 1]; None for the file's, or else the log's.

    Returns:
        the checkpoint, and what was done, a line each.
    """
    notes = []
    if images is None:
        s = settings.schedule
        images = s.batch_size * s.accumulation_steps
        notes.append("an epoch counts as one step, since nobody said how many images it had")
    reason = f"adopted from {foreign.path.name} (sha256 {foreign.sha256[:12]})"
    lineage = Lineage(
        (Segment(SegmentKind.START, 0, 0, 0, 0, settings.schedule, images, reason=reason),)
    )
    step = lineage.plan.epoch_start(done) if done else 0
    if done:
        step += lineage.plan.stage_of_epoch(done).steps_per_epoch
    moments, said = _moments(network, foreign)
    best = best_score if best_score is not None else _best_iou(foreign, points, done)
    average = None
    if foreign.average is not None:
        average, what = _average(network, foreign.average, step)
        notes.append(what)
    return Checkpoint(
        architecture=network.architecture,
        settings=settings,
        weights=network.state_dict(),
        ema=average,
        moments=moments,
        scaler={},
        generators=generator_states(),
        lineage=lineage,
        position=Position(done, step, 0),
        sums=EpochSums(),
        history=tuple(_records(points, settings, lineage, done)),
        best=Best(best, done) if best is not None else Best(),
        bad_steps=0,
        images=None,
        rules={},
        written_by=__version__,
    ), [*notes, said]


def _best_iou(foreign: ForeignCheckpoint, points: Sequence[Point], done: int) -> float | None:
    """The best IoU so far: the file's, if that is one by its name, or else the log's."""
    if foreign.best is not None and "iou" in foreign.best[0].lower() and 0 <= foreign.best[1] <= 1:
        return foreign.best[1]
    seen = [iou for p in points if p.epoch <= done and (iou := p.known("iou")) is not None]
    return max(seen, default=None)


def _average(
    network: SegmentationNetwork, average: Mapping[str, Tensor], step: int
) -> tuple[EmaWeights | None, str]:
    inner = _inner(network).state_dict()
    found = fit_names(average, inner)
    if not found.is_whole:
        return (
            None,
            f"warning: its moving average lacks {named(found.missing or found.misfit)}: left out",
        )
    prefix = "net." if isinstance(network, ForeignNetwork) else ""
    weights = network.state_dict() | {f"{prefix}{k}": v for k, v in found.weights.items()}
    return EmaWeights(weights, max(step, 1)), "its moving average goes on as --use-ema"


def _moments(
    network: SegmentationNetwork, foreign: ForeignCheckpoint
) -> tuple[dict[str, dict[str, Any]], str]:
    if not foreign.optimizers:
        return {}, "Adam's moments begin anew: the file has no state of an optimizer"
    prefix = "net." if isinstance(network, ForeignNetwork) else ""
    try:
        found = moments_by_name(_inner(network), foreign.optimizers[0])
    except MomentsUnmatchedError as why:
        return {}, f"Adam's moments begin anew: {why}"
    counted = f"Adam's moments of {len(found)} parameters were taken over"
    return {f"{prefix}{name}": values for name, values in found.items()}, counted


def _records(
    points: Sequence[Point], settings: TrainSettings, lineage: Lineage, done: int
) -> Iterator[EpochRecord]:
    """The other program's epochs as records; NaN for what it did not write down."""
    for p in points:
        if 1 <= p.epoch <= done:
            plan = lineage.plan
            stage = plan.stage_of_epoch(p.epoch)

            def known(name: str, point: Point = p) -> float:
                value = point.known(name)
                return math.nan if value is None else value

            yield EpochRecord(
                epoch=p.epoch,
                stage=p.stage or stage.number,
                step=plan.epoch_start(p.epoch) + stage.steps_per_epoch,
                loss=known("loss"),
                parts={},
                iou=known("iou"),
                dice=known("dice"),
                mae=known("mae"),
                lr={HEAD: known("lr"), **p.rates},
                train_seconds=known("seconds"),
                val_seconds=0.0,
                img_size=p.img_size or settings.schedule.img_size,
                val_images=p.val_images or 0,
            )


def write_adopted_journal(folder: RunFolder, checkpoint: Checkpoint) -> None:
    """The past as the run's own journal, for all that reads run folders."""
    segment = checkpoint.lineage.last
    with Journal(folder.journal) as journal:
        journal.write(
            "run",
            {
                "word": segment.kind.value,
                "reason": segment.reason,
                "settings": to_plain(checkpoint.settings),
                "ledger": checkpoint.lineage.to_plain(),
                "train_images": segment.images,
                "adopted": True,
            },
        )
        for record in checkpoint.history:
            journal.write("epoch", _known(record) | {"best": False})


def _known(record: EpochRecord) -> dict[str, Any]:
    """What the other program wrote down: a null in a journal is a number that was not finite."""
    plain = {k: v for k, v in record.to_plain().items() if not _is_nan(v)}
    return plain | {"lr": {k: v for k, v in record.lr.items() if not _is_nan(v)}}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
