"""What a user may choose about stages, learning rates and batches; LR schedules by name."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from decamo.errors import SettingsError
from decamo.settings.option import at_least, one_of, option, within

__all__ = [
    "BUILT_IN",
    "ORIGINS",
    "Height",
    "ScheduleSettings",
    "height_of",
    "lr_schedule_names",
    "register_lr_schedule",
]

BUILT_IN = ("onecycle", "cosine", "cosine_restart", "none")

Height = Callable[[float], float]
"""Share of the steps that are done, from 0 to 1 -> height between floor (0) and peak (1)."""

_REGISTERED: dict[str, Height] = {}
_LOOKS = 101  # places at which a height is looked at


def register_lr_schedule(name: str, height: Height) -> None:
    """Register a learning-rate schedule of your own, for ``scheduler=NAME`` in Python.

    It is a pure function, so that a resumed run has the rates of one that was never stopped. The
    warm-up comes before it. A checkpoint keeps the name alone: whoever resumes registers it again;
    predicting, scoring and exporting need no schedule.

    Args:
        name: not a built-in one.
        height: maps the share of the steps that are done, 0 to 1, to the height of the rate
            between ``min_lr`` (0) and the peak (1).

    Raises:
        SettingsError: the name is a built-in one, or a height is outside of [0, 1].

    Example:
        >>> decamo.register_lr_schedule("poly", lambda done: (1 - done) ** 0.9)
        >>> laid = decamo.plan(images=80, epochs=2, skip_stage1=True, scheduler="poly")
        >>> last = laid.resumption.lineage.plan.end_step - 1
        >>> round(laid.lr(0), 6), round(laid.lr(last), 6)
        (0.0002, 1e-05)
    """
    if name in BUILT_IN:
        raise SettingsError(name, "is a built-in schedule", "choose another name")
    for number in range(_LOOKS):
        done = number / (_LOOKS - 1)
        if not 0 <= height(done) <= 1:
            raise SettingsError(
                name, f"has the height {height(done)!r} at {done:g}", "stay between 0 and 1"
            )
    _REGISTERED[name] = height


def lr_schedule_names() -> tuple[str, ...]:
    """All names that are known now."""
    return (*BUILT_IN, *_REGISTERED)


def height_of(name: str, flag: str = "--scheduler") -> Height | None:
    """A registered schedule; None for a built-in one.

    Args:
        name: of the schedule.
        flag: that asks for it, for the error.

    Raises:
        SettingsError: nothing of that name.
    """
    if name in BUILT_IN:
        return None
    if name not in _REGISTERED:
        close = difflib.get_close_matches(name, lr_schedule_names(), n=1)
        meant = f"did you mean {close[0]}? else " if close else ""
        known = ", ".join(lr_schedule_names())
        raise SettingsError(
            flag,
            f"got {name!r}, which is no schedule here",
            f"{meant}choose from {known}, or in Python call"
            f" decamo.register_lr_schedule({name!r}, ...) first",
        )
    return _REGISTERED[name]


ORIGINS = ("resume", "stage")


@dataclass(frozen=True)
class ScheduleSettings:
    """Stages, LR curves, image sizes and batches. Defaults are those of the action plan's option 1.

    Epochs count from 1. Stage 1 is epochs 1 to ``stage1_epochs``, stage 2 follows up to
    ``epochs``, stage 3 (off by default) takes ``stage3_epochs`` more.

    Raises:
        SettingsError: names the flag, what was got and the remedy.
    """

    epochs: int = option(120, "last epoch of stage 2", unit="epochs")
    stage1_epochs: int = option(30, "epochs with a frozen backbone, from epoch 1", unit="epochs")
    skip_stage1: bool = option(False, "go directly to stage 2 (fine-tuning)")
    lr: float = option(0.00025, "peak learning rate of stage 1", unit="per step")
    stage2_lr: float = option(0.0002, "peak learning rate of stage 2", unit="per step")
    backbone_lr_ratio: float = option(
        0.1, "the backbone's learning rate as a share of the head's, at every step"
    )
    stage1_scheduler: str = option("onecycle", "shape of stage 1's learning rate", choices=BUILT_IN)
    scheduler: str = option(
        "cosine", "shape of the learning rate from stage 2 on", choices=BUILT_IN
    )
    min_lr: float = option(0.00001, "learning rate that a falling curve ends on", unit="per step")
    warmup_epochs: int = option(
        0, "linear rise at the start of stage 2 and of every branch", unit="epochs"
    )
    t_mult: float = option(
        2.0, "cosine_restart: each cycle is this many times as long as the one before"
    )
    cycles: int = option(3, "cosine_restart: number of cycles; the last ends with the stage")
    progressive_unfreeze: bool = option(
        False, "open the backbone from its last level down, in thirds of stage 2"
    )
    schedule_origin: str = option(
        "resume",
        "where a changed curve starts at a resume: at the resume, or where its stage began",
        choices=ORIGINS,
    )
    stage3_epochs: int = option(0, "polishing epochs after --epochs; 0 for none", unit="epochs")
    stage3_lr: float = option(0.00001, "constant learning rate of stage 3", unit="per step")
    stage3_img_size: int | None = option(
        None, "training size of stage 3 (default: --img-size)", unit="px"
    )
    img_size: int = option(384, "training size; images are resized to a square", unit="px")
    batch_size: int = option(2, "micro-batch of stage 1 on each device", unit="images")
    stage2_batch_size: int | None = option(
        None, "micro-batch from stage 2 on (default: --batch-size)", unit="images"
    )
    accumulation_steps: int = option(
        4, "micro-batches whose gradients make one optimizer step", unit="micro-batches"
    )

    def __post_init__(self) -> None:
        self._check_epochs()
        self._check_rates()
        self._check_batches()

    @property
    def fine_tune_batch(self) -> int:
        """Micro-batch from stage 2 on, in images."""
        return self.stage2_batch_size or self.batch_size

    @property
    def frozen_epochs(self) -> int:
        """Epochs of stage 1: 0 where it is skipped."""
        return 0 if self.skip_stage1 else self.stage1_epochs

    @property
    def last_epoch(self) -> int:
        """The number of the very last epoch, stage 3 included."""
        return self.epochs + self.stage3_epochs

    def _check_epochs(self) -> None:
        at_least("epochs", self.epochs, 1)
        at_least("stage1_epochs", self.stage1_epochs, 0)
        at_least("warmup_epochs", self.warmup_epochs, 0)
        at_least("stage3_epochs", self.stage3_epochs, 0)
        at_least("cycles", self.cycles, 1)
        at_least("t_mult", self.t_mult, 1)
        one_of("schedule_origin", self.schedule_origin, ORIGINS)
        if self.stage1_epochs >= self.epochs and not self.skip_stage1:
            raise SettingsError(
                "--stage1-epochs",
                f"got {self.stage1_epochs}, not below --epochs {self.epochs}",
                f"give at most {self.epochs - 1}, or raise --epochs: stage 2 needs an epoch",
            )
        stage2 = self.epochs - self.frozen_epochs
        if self.warmup_epochs >= stage2:
            raise SettingsError(
                "--warmup-epochs",
                f"got {self.warmup_epochs}, but stage 2 has {stage2} epochs",
                f"give at most {stage2 - 1}, or raise --epochs",
            )

    def _check_rates(self) -> None:
        within("lr", self.lr, 1e-12, 10)
        within("stage2_lr", self.stage2_lr, 1e-12, 10)
        within("stage3_lr", self.stage3_lr, 1e-12, 10)
        within("min_lr", self.min_lr, 0, 10)
        within("backbone_lr_ratio", self.backbone_lr_ratio, 0, 1)
        peaks = [("--stage2-lr", self.stage2_lr, self.scheduler)]
        if self.frozen_epochs:
            peaks.append(("--lr", self.lr, self.stage1_scheduler))
        for flag, peak, curve in peaks:
            if curve != "none" and self.min_lr > peak:
                raise SettingsError(
                    "--min-lr",
                    f"got {self.min_lr:g}, above {flag} {peak:g}: the curve would rise",
                    f"give at most {peak:g}, or raise {flag}",
                )

    def _check_batches(self) -> None:
        within("img_size", self.img_size, 32, 4096)
        if self.stage3_img_size is not None:
            within("stage3_img_size", self.stage3_img_size, 32, 4096)
        at_least("batch_size", self.batch_size, 1)
        if self.stage2_batch_size is not None:
            at_least("stage2_batch_size", self.stage2_batch_size, 1)
        at_least("accumulation_steps", self.accumulation_steps, 1)
