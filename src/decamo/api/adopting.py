"""``decamo.adopt``: a run that another program began becomes a run here."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from decamo import __version__
from decamo.api.run_place import write_config
from decamo.checkpoint import Best, Checkpoint, EmaWeights, EpochSums
from decamo.checkpoint.load_save import save_checkpoint
from decamo.errors import CheckpointMismatch, SettingsError
from decamo.history import EpochRecord, Journal, read_past
from decamo.history.series import Point
from decamo.nn import SegmentationNetwork
from decamo.nn.foreign import ForeignNetwork
from decamo.nn.name_fitting import FittedWeights, fit_names
from decamo.nn.networks import build_network
from decamo.nn.weights import named
from decamo.schedule import HEAD, Lineage, Position, Segment, SegmentKind
from decamo.settings import TrainSettings
from decamo.settings.network_names import OWN_NETWORK
from decamo.settings.plain import to_plain
from decamo.storage import RunFolder
from decamo.storage.foreign_file import ForeignCheckpoint, read_foreign
from decamo.storage.outputs import Read, check_outputs
from decamo.storage.owner import own
from decamo.training.adopted_score import AdoptedScore, score_adopted, score_lines
from decamo.training.adopted_settings import adopted_settings
from decamo.training.choosing import Config, Given, given_of
from decamo.training.foreign_moments import MomentsUnmatchedError, moments_by_name
from decamo.training.state import generator_states

__all__ = ["AdoptResult", "adopt", "adopt_given"]


@dataclass(frozen=True)
class AdoptResult:
    """A run folder made of another program's checkpoint.

    Attributes:
        folder: the run folder; its ``last.pth`` is what ``train``, ``escape``, ``evaluate`` and
            ``predict`` take.
        foreign: what the file holds.
        settings: of the run here: those of the file that mean the same, and those given.
        epoch: epochs that the run has behind it.
        notes: what was found and what was done, a line each.
        here: scores of the weights on the images held out here; None without data.
    """

    folder: Path
    foreign: ForeignCheckpoint
    settings: TrainSettings
    epoch: int
    notes: tuple[str, ...]
    here: AdoptedScore | None = None

    @property
    def checkpoint(self) -> Path:
        """The checkpoint to go on from."""
        return RunFolder(self.folder).last

    def __str__(self) -> str:
        """What was adopted, what was done, and what comes next."""
        network = self.settings.model.network
        return "\n".join(
            [
                f"{self.foreign.path}: {self.foreign.description()}",
                *self.notes,
                f"adopted: {self.checkpoint}, after epoch {self.epoch}; next:",
                f"  decamo escape {self.checkpoint} --network {network} --dataset-path DATA",
                f"  decamo train --resume-from {self.checkpoint} --network {network}"
                f" --dataset-path DATA --checkpoint-dir {self.folder} --epochs {self.epoch + 40}",
            ]
        )

    def to_plain(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "checkpoint": str(self.checkpoint),
            "sha256": self.foreign.sha256,
            "epoch": self.epoch,
            "best": self.foreign.best,
            "iou_here": self.here.scores.iou if self.here else None,
            "settings": to_plain(self.settings),
            "notes": list(self.notes),
        }


def adopt(
    path: str | Path,
    config: Config = None,
    *,
    network: str,
    out: str | Path,
    log: str | Path | Sequence[str | Path] = (),
    epoch: int | None = None,
    best_score: float | None = None,
    images: int | None = None,
    **options: Any,
) -> AdoptResult:
    """Make a run here of a checkpoint that another program wrote.

    Nothing in the file is executed; the network comes from ``network`` alone.

    Args:
        path: the other program's checkpoint.
        config: settings, as :func:`decamo.train` takes them; they win over those in the file.
        network: the network of the checkpoint, such as ``their_net.py:build`` or ``smp:FPN``.
        out: run folder to make.
        log: what the other program wrote down: a log, a CSV, a folder (default: a ``history.json``
            beside the checkpoint).
        epoch: epochs behind the checkpoint (default: as the file or else the log says).
        best_score: best IoU in [0,1] so far (default: as the file says).
        images: training images in an epoch (default: counted in ``dataset_path``).
        options: single settings by their names; they win over ``config``. With ``dataset_path``
            the weights are scored first, on the images that the run will hold out.

    Raises:
        CheckpointError: the file cannot be read, or its weights are not the network's.
        SettingsError: an option cannot be meant, or ``out`` holds a run.

    Example:
        >>> run = decamo.adopt("their.pth", network="their_net.py:build", out="runs/adopted")
        >>> run.checkpoint.name, run.epoch
        ('last.pth', 86)
    """
    logs = [log] if isinstance(log, str | Path) else list(log)
    return adopt_given(
        Path(path),
        given_of(config, network=network, **options),
        out=Path(out),
        logs=[Path(one) for one in logs],
        epoch=epoch,
        best_score=best_score,
        images=images,
    )


def adopt_given(
    path: Path,
    given: Given,
    *,
    out: Path,
    logs: Sequence[Path] = (),
    epoch: int | None = None,
    best_score: float | None = None,
    images: int | None = None,
) -> AdoptResult:
    """As :func:`adopt`, of options by section."""
    folder = RunFolder(out)
    check_outputs(
        [Read("CHECKPOINT", path), *(Read("--log", log) for log in logs)], folder.written()
    )
    if any(out.glob("*.pth")):
        raise SettingsError("--out", f"{out} holds a run", "name a new folder")
    foreign = read_foreign(path)
    if given.get("model", {}).get("network", OWN_NETWORK) == OWN_NETWORK:
        raise _no_network(foreign)
    if not logs and (path.parent / "history.json").is_file():
        logs = [path.parent / "history.json"]
    points = read_past([str(log) for log in logs]).points if logs else ()
    done, from_where = _epoch(epoch, foreign, points)
    settings, notes = adopted_settings(given, foreign, out, done, points)
    network = build_network(
        settings.model,
        sizes=[settings.schedule.img_size],
        initialize=False,
        seed=settings.run.seed,
    )
    notes += [f"{done} epochs are behind it, {from_where}", *network.notes()]
    weights, said = _weights(network, foreign.weights, path)
    notes += said
    out.mkdir(parents=True, exist_ok=True)
    here = score_adopted(settings, folder.census, network) if settings.data.dataset_path else None
    if here is not None:
        images = len(here.splits.train)
    checkpoint, said = _checkpoint(
        network, foreign, settings, weights, points, done, images, best_score
    )
    notes += [*said, *score_lines(checkpoint.best, foreign.best, here)]
    checkpoint = checkpoint if here is None else here.known_to(checkpoint)
    with own(out, say=notes.append):
        save_checkpoint(folder.last, checkpoint)
        save_checkpoint(folder.best, checkpoint)
        write_config(folder, settings)
        _journal(folder, checkpoint)
    return AdoptResult(out, foreign, settings, done, tuple(notes), here)


def _epoch(
    asked: int | None, foreign: ForeignCheckpoint, points: Sequence[Point]
) -> tuple[int, str]:
    """Epochs behind the checkpoint, and who says so."""
    logged = points[-1].epoch if points else None
    if asked is not None:
        if asked < 0:
            raise SettingsError(
                "--epoch", f"got {asked}", "give the number of epochs it has trained"
            )
        return asked, "as --epoch says"
    if foreign.epoch is not None and logged in (foreign.epoch, foreign.epoch + 1):
        return logged, "as the file and the log say"
    if foreign.epochs_done is not None:
        other = f" (the log goes to {logged}; --epoch N says otherwise)" if logged else ""
        return foreign.epochs_done, f"as the file says{other}"
    if logged is not None:
        return logged, "as many as the log has: the file says nothing"
    raise SettingsError("--epoch", "not given, and neither file nor log says", "give --epoch N")


def _no_network(foreign: ForeignCheckpoint) -> SettingsError:
    return SettingsError(
        "--network",
        f"not given; {foreign.path} holds {foreign.description()}",
        "name its network, such as FILE.py:FUNCTION, smp:FPN or transformers:CLASS; where it is not"
        f" at hand, decamo train --backbone-weights {foreign.path} takes its backbone",
    )


def _weights(
    network: SegmentationNetwork, weights: Mapping[str, Tensor], path: Path
) -> tuple[FittedWeights, list[str]]:
    """Load the file's weights into the network.

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
    return fitted, notes


def _inner(network: SegmentationNetwork) -> nn.Module:
    """The module that the other program had."""
    if isinstance(network, ForeignNetwork):
        return network.net
    assert isinstance(network, nn.Module)
    return network


def _checkpoint(
    network: SegmentationNetwork,
    foreign: ForeignCheckpoint,
    settings: TrainSettings,
    fitted: FittedWeights,
    points: Sequence[Point],
    done: int,
    images: int | None,
    best_score: float | None,
) -> tuple[Checkpoint, list[str]]:
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
        average, what = _average(network, foreign.average, fitted, step)
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
    network: SegmentationNetwork, average: Mapping[str, Tensor], fitted: FittedWeights, step: int
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


def _journal(folder: RunFolder, checkpoint: Checkpoint) -> None:
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
