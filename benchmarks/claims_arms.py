"""The ways on whose gains are measured: the action plan's options taken apart, and single flags."""

from collections.abc import Mapping
from typing import Any

from decamo.races.branch import CONTROL, TRANSPLANT, Branch
from decamo.recipes import RECIPES

__all__ = ["CHECKPOINTS", "arms", "next_size"]

CHECKPOINTS = 5
"""Epochs whose checkpoints a stalled run keeps, its last ones: they are what is averaged."""

_GRID = 32  # px; every backbone's stride divides it
_OF_THE_CURVE = ("stage2_lr", "scheduler", "min_lr")


def arms(img_size: int, accumulation: int) -> tuple[Branch, ...]:
    """The branches of a study; the control comes first.

    The options' rates are as printed, the rest of each branch is the stalled run's own: what is
    measured is the step that an option's user takes, not another network.

    Args:
        img_size: of the stalled run, in px.
        accumulation: its micro-batches in a step.
    """
    cosine, aggressive = _curve("conservative"), _curve("aggressive")
    # With the option's own end, so that its warm-up is not longer than a short stalled run.
    boost = RECIPES["resolution"]["schedule"]
    warm = aggressive | {key: boost[key] for key in ("warmup_epochs", "epochs")}
    size = {"img_size": next_size(img_size)}
    more = {"accumulation_steps": 2 * accumulation}
    return (
        Branch(CONTROL, "what if nothing is changed?"),
        _arm("cosine", "option 1's curve", cosine),
        _arm("cosine-ds", "option 1: its curve and deep supervision", cosine, True),
        _arm("aggressive", "option 2's curve", aggressive),
        _arm("aggressive-ds", "option 2: its curve and deep supervision", aggressive, True),
        _arm("warm", "option 2's curve with option 3's warm-up", warm),
        _arm("warm-ds", "option 3 at the same size", warm, True),
        _arm("resolution", "option 3, at the next larger size", warm | size, True),
        _arm("larger", "larger images alone", size),
        Branch("ema", "averaged weights alone", {"optimise": {"use_ema": True}}),
        _arm("accumulation", "twice the accumulation alone", more),
        Branch("moments", "reset moments alone", before="forget moments"),
        Branch("average", f"mean of the last {CHECKPOINTS} epochs' weights", before="average"),
        # Its teacher is each seed's own stalled run, so that the study fills in the rest.
        Branch(TRANSPLANT, "a new decoder, taught by the stalled network", before=TRANSPLANT),
    )


def next_size(size: int) -> int:
    """The next multiple of 32 px, the stride of the deepest level."""
    return (size // _GRID + 1) * _GRID


def _curve(recipe: str) -> dict[str, Any]:
    schedule = RECIPES[recipe]["schedule"]
    return {k: schedule[k] for k in _OF_THE_CURVE} | {"warmup_epochs": 0}


def _arm(name: str, asks: str, schedule: Mapping[str, Any], deep: bool = False) -> Branch:
    changes: dict[str, Mapping[str, Any]] = {"schedule": dict(schedule)}
    if deep:
        changes["optimise"] = {"deep_supervision": True}
    return Branch(name, asks, changes)
