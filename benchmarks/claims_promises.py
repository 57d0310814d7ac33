"""What is held against measurement: which difference, and what the action plan expects of it."""

from dataclasses import dataclass

from decamo.races.branch import CONTROL, TRANSPLANT

__all__ = ["BEFORE_TRIAL", "PROMISES", "Promise"]

BEFORE_TRIAL = ""
"""Stands for the checkpoint itself, where a difference is not to another branch."""

_DEEP = (0.03, 0.05)


@dataclass(frozen=True)
class Promise:
    """A gain that somebody expects, or a flag that is recommended without a figure.

    Attributes:
        name: of the claim; ``gain-conservative`` and the like are what advice looks up.
        title: for people.
        arm: the branch that has it.
        against: the branch without it, alike in all else; :data:`BEFORE_TRIAL` is the checkpoint.
        expected: IoU that the action plan expects, least and most; None where it names no figure.
        worst: whether the epochs in which each run was worst are compared, not the last ones.
    """

    name: str
    title: str
    arm: str
    against: str
    expected: tuple[float, float] | None = None
    worst: bool = False


PROMISES = (
    Promise("gain-conservative-schedule", "cosine, option 1's rates", "cosine", CONTROL,
            (0.04, 0.07)),
    Promise("gain-aggressive-schedule", "aggressive schedule, option 2's rates", "aggressive",
            CONTROL, (0.06, 0.09)),
    Promise("gain-deep-supervision", "deep supervision, beside option 1's curve", "cosine-ds",
            "cosine", _DEEP),
    Promise("gain-deep-supervision-aggressive", "deep supervision, beside option 2's curve",
            "aggressive-ds", "aggressive", _DEEP),
    Promise("gain-deep-supervision-warm", "deep supervision, beside that curve with a warm-up",
            "warm-ds", "warm", _DEEP),
    Promise("gain-img-size", "higher resolution, all else as option 3", "resolution", "warm-ds",
            (0.02, 0.04)),
    Promise("gain-conservative", "option 1 as a whole", "cosine-ds", CONTROL, (0.07, 0.12)),
    Promise("gain-aggressive", "option 2 as a whole", "aggressive-ds", CONTROL, (0.09, 0.14)),
    Promise("gain-resolution", "option 3 as a whole", "resolution", CONTROL, (0.11, 0.18)),
    Promise("gain-warmup", "warm-up, at the end", "warm", "aggressive"),
    Promise("stability-warmup", "warm-up, in the worst epoch (\"stability\")", "warm",
            "aggressive", worst=True),
    Promise("gain-img-size-alone", "higher resolution alone", "larger", CONTROL),
    Promise("gain-use-ema", "averaged weights (--use-ema) alone", "ema", CONTROL),
    Promise("gain-accumulation", "twice the accumulation alone", "accumulation", CONTROL),
    Promise("gain-reset-moments", "--reset-moments alone", "moments", CONTROL),
    Promise("gain-average", "mean of the last epochs' weights alone", "average", CONTROL),
    Promise("gain-transplant", "a new decoder on its backbone, taught by the stalled network",
            TRANSPLANT, CONTROL),
    Promise("gain-nothing", "going on unchanged", CONTROL, BEFORE_TRIAL),
)  # fmt: skip
"""The action plan's expectations first, then the flags that `decamo diagnose` recommends."""
