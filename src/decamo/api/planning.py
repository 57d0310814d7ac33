"""Plan: stages and learning rates of a run, before a GPU hour is spent; no torch."""

import base64
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decamo.errors import DataError
from decamo.report import plan_text, rates_by_epoch, spending_text
from decamo.schedule import Resumption, SegmentKind, Spending, review
from decamo.settings import TrainSettings
from decamo.settings.sections import DataSettings
from decamo.settings.words import counted
from decamo.storage.outputs import Read, Written, check_outputs
from decamo.training import expected_spending, is_complete, resumption_of
from decamo.training.choosing import (
    Config,
    Given,
    choose_settings,
    given_of,
    reads_of,
    with_local_files,
)

if TYPE_CHECKING:  # numpy and Pillow: decisions/0007
    from decamo.checkpoint import Checkpoint

__all__ = ["PlanResult", "count_images", "plan", "plan_given"]


@dataclass(frozen=True)
class PlanResult:
    """What a run would do from here on; prints as ``decamo plan`` and shows in a notebook.

    Attributes:
        resumption: how the run starts or goes on, with the lineage in force and the position.
        images: training images in an epoch.
        warnings: what looks like a mistake.
        spending: expected time and memory of each stage, where they are known.
        complete: the checkpoint, where a run that goes on by itself stands at the end of its plan.
        photographs: unlabelled ones that would be looked at; those that are labelled surely enough
            train as well, which is known when training begins.
    """

    resumption: Resumption
    images: int
    warnings: tuple[str, ...]
    spending: tuple[Spending, ...]
    complete: Path | None = None
    photographs: int = 0

    def lr(self, step: int, group: str = "head") -> float:
        """Learning rate of a group at an absolute optimizer step, past or to come."""
        return self.resumption.lineage.rates_at(step)[group]

    def draw(self, path: str | Path) -> Path:
        """Draw the learning rates and what learns when; returns the picture's path.

        Raises:
            SettingsError: the extension is no picture format.
            StorageError: the file cannot be written.
        """
        from decamo.report.plan_picture import draw_plan  # matplotlib: decisions/0007

        draw_plan(Path(path), self.resumption.lineage, self.resumption.position)
        return Path(path)

    def __str__(self) -> str:
        if self.complete:
            return f"complete: {self._end}"
        kind, reason = self.resumption.told
        parts = [f"{kind}: {reason}; {self.images} training images{self._more}"]
        parts.append(plan_text(self.resumption.lineage, self.resumption.position))
        parts += [f"warning: {warning}" for warning in self.warnings]
        return "\n\n".join([*parts, spending_text(self.spending)])

    @property
    def _more(self) -> str:
        looked_at = counted(self.photographs, "unlabelled photograph")
        return f", and of {looked_at} those with sure pseudo-labels" if self.photographs else ""

    @property
    def _end(self) -> str:
        return f"{self.complete} stands at the end of its plan"

    def _repr_html_(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            picture = self.draw(Path(folder) / "plan.png").read_bytes()
        return f'<img width="900" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'

    def to_plain(self) -> dict[str, Any]:
        """For ``--json``."""
        if self.complete:
            return {"word": "complete", "reason": self._end}
        extra = {"warnings": list(self.warnings), "spending": [asdict(s) for s in self.spending]}
        extra |= {"unlabelled_photographs": self.photographs} if self.photographs else {}
        return _report(self.resumption) | extra


def plan(
    config: Config = None,
    *,
    recipe: str | None = None,
    images: int | None = None,
    devices: int = 1,
    measure: bool = False,
    **options: Any,
) -> PlanResult:
    """Lay the plan of a run without starting it.

    Args:
        config: settings, as :func:`decamo.train` takes them.
        recipe: named settings, such as ``conservative``; they win over ``config``.
        images: training images (default: counted at a resume or in the data sets).
        devices: that train together.
        measure: time a micro-batch of each stage on this machine and count its memory.
        options: single settings by their names; they win over all.

    Raises:
        SettingsError: the settings cannot be meant.
        DataError: it is not known how many images there are.

    Example:
        >>> laid = decamo.plan(images=100, epochs=120, stage1_epochs=30, scheduler="cosine")
        >>> str(laid.resumption.kind), laid.resumption.lineage.plan.last_epoch
        ('start', 120)
    """
    given = given_of(config, recipe=recipe, **options)
    return plan_given(given, images=images, devices=devices, measure=measure)


def plan_given(
    given: Given,
    *,
    images: int | None = None,
    devices: int = 1,
    measure: bool = False,
    reads: Sequence[Read] = (),
    writes: Sequence[Written] = (),
) -> PlanResult:
    """As :func:`plan`, of options by section.

    Args:
        given: options; see :func:`decamo.training.choosing.choose_settings`.
        images: training images.
        devices: that train together.
        measure: whether this machine is measured.
        reads: files that the caller reads as well.
        writes: files that the caller will write; refused where they are read.
    """
    given = with_local_files(given)
    settings, checkpoint = choose_settings(given)
    place = Read("--checkpoint-dir", settings.run.checkpoint_dir)
    check_outputs([*reads_of(settings), *reads, place], writes)
    images = images or _images(settings, checkpoint)
    if checkpoint is not None and is_complete(settings, checkpoint):
        here = checkpoint.position
        end = Resumption(SegmentKind.CONTINUE, checkpoint.lineage, here, "nothing lies ahead")
        return PlanResult(end, images, (), (), settings.run.resume_from)
    resumption = resumption_of(settings, checkpoint, images=images, world=devices)
    return PlanResult(
        resumption,
        images,
        tuple(review(resumption.lineage, resumption.position)),
        tuple(expected_spending(settings, resumption, checkpoint, measure=measure)),
        photographs=_count_photographs(settings.data),
    )


def _images(settings: TrainSettings, checkpoint: "Checkpoint | None") -> int:
    if checkpoint is not None:
        return checkpoint.lineage.last.images
    return count_images(settings.data)


def _count_photographs(data: DataSettings) -> int:
    if not data.unlabelled:
        return 0
    from decamo.training.photographs import find_photographs

    return len(find_photographs(data.unlabelled).files)


def count_images(data: DataSettings) -> int:
    """Training images by their names alone; what is unreadable is known when training looks.

    Raises:
        DataError: no data set is named, or it is not there.
    """
    if not data.dataset_path:
        raise DataError("--dataset-path", "not given", "name a data set, or give --images N")
    from decamo.data.layouts import find_pairs
    from decamo.data.wanted import Wanted

    wanted = Wanted(data.train_on, data.test_on, data.mask_suffix)
    pairs = [
        p
        for p in find_pairs(data.dataset_path, "train", wanted).pairs
        if data.noncam == "negatives" or not p.noncam_by_name
    ]
    return len(pairs) - round(len(pairs) * data.val_fraction)


def _report(resumption: Resumption) -> dict[str, Any]:
    plan = resumption.lineage.plan
    kind, reason = resumption.told
    return {
        "word": kind.value,
        "reason": reason,
        "position": asdict(resumption.position),
        "stages": [
            {
                "number": s.number,
                "epochs": [s.first_epoch, s.last_epoch],
                "steps": [s.first_step, s.end_step - 1],
                "steps_per_epoch": s.steps_per_epoch,
                "micro_batch": s.micro_batch,
                "accumulation": s.accumulation,
                "img_size": s.img_size,
                "curve": s.curve.kind,
                "openings": {str(o.step): sorted(o.groups) for o in s.unfreezings},
            }
            for s in plan.stages
        ],
        "lr": {str(e): rates for e, rates in rates_by_epoch(resumption.lineage).items()},
        "last_lr": {g: plan.lr(plan.end_step - 1, g) for g in plan.ratios},
    }
