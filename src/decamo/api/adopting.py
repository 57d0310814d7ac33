"""``decamo.adopt``: a run that another program began becomes a run here."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decamo.api.run_place import write_config
from decamo.checkpoint.load_save import save_checkpoint
from decamo.errors import SettingsError
from decamo.history import read_training_log
from decamo.history.training_log import Point
from decamo.mirror import local_checkpoint, local_log
from decamo.nn.networks import build_network
from decamo.settings import TrainSettings
from decamo.settings.network_names import OWN_NETWORK
from decamo.settings.plain import to_plain
from decamo.storage import RunFolder
from decamo.storage.foreign_file import ForeignCheckpoint, read_foreign
from decamo.storage.outputs import Read, check_outputs
from decamo.storage.owner import own
from decamo.training.adopted_checkpoint import (
    adopted_checkpoint,
    load_adopted_weights,
    write_adopted_journal,
)
from decamo.training.adopted_score import AdoptedScore, score_adopted, score_lines
from decamo.training.adopted_settings import adopted_settings
from decamo.training.choosing import Config, Given, given_of

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

    def lines(self) -> Iterator[str]:
        """What was adopted, and what was done."""
        yield f"{self.foreign.path}: {self.foreign.description()}"
        yield from self.notes
        yield f"adopted: {self.checkpoint}, after epoch {self.epoch}"

    def __str__(self) -> str:
        """What was adopted, what was done, and what comes next."""
        data = [str(path) for path in self.settings.data.dataset_path] or ["DATA"]
        flags = shlex.join(["--network", self.settings.model.network, "--dataset-path", *data])
        return "\n".join(
            [
                *self.lines(),
                "next:",
                f"  decamo diagnose {shlex.quote(str(self.folder))}",
                f"  decamo escape {shlex.quote(str(self.checkpoint))} {flags}",
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
    path = Path(local_checkpoint(path))
    logs = [Path(local_log(log)) for log in logs]
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
    points = read_training_log([str(log) for log in logs]).points if logs else ()
    done, from_where = _epoch(epoch, foreign, points)
    settings, notes = adopted_settings(given, foreign, out, done, points)
    network = build_network(
        settings.model,
        sizes=[settings.schedule.img_size],
        initialize=False,
        seed=settings.run.seed,
    )
    notes += [f"{done} epochs are behind it, {from_where}", *network.notes()]
    notes += load_adopted_weights(network, foreign.weights, path)
    out.mkdir(parents=True, exist_ok=True)
    here = score_adopted(settings, folder.census, network) if settings.data.dataset_path else None
    if here is not None:
        images = len(here.splits.train)
    checkpoint, said = adopted_checkpoint(
        network, foreign, settings, points, done, images, best_score
    )
    logged = next((p.known("iou") for p in points if p.epoch == done), None)
    notes += [*said, *score_lines(checkpoint.best, foreign.best, here, logged)]
    checkpoint = checkpoint if here is None else here.known_to(checkpoint)
    with own(out, say=notes.append):
        save_checkpoint(folder.last, checkpoint)
        save_checkpoint(folder.best, checkpoint)
        write_config(folder, settings)
        write_adopted_journal(folder, checkpoint)
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
        if foreign.epochs_done not in (None, asked):
            return asked, f"as --epoch says, where the file says {foreign.epochs_done}"
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
