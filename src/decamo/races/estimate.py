"""How long a race would take, from the time of the run's own epochs."""

from collections.abc import Sequence
from statistics import fmean

from decamo.errors import SettingsError
from decamo.history import EpochRecord
from decamo.races.branch import standard_branches
from decamo.races.horizon import full_settings
from decamo.races.start_point import StartPoint

__all__ = ["race_seconds"]

_LOOK_BACK = 5  # epochs, as a plan's expected time does


def race_seconds(standing: StartPoint, epochs: int, records: Sequence[EpochRecord]) -> float | None:
    """Seconds of a race of the standard branches, none of them dropped on the way.

    Training takes time by the number of pixels; each branch is validated once more than it has
    epochs, before its first.

    Args:
        standing: where it would set out from.
        epochs: of a trial.
        records: of the run's own epochs, ascending.

    Returns:
        None where no epoch of this kind was timed, or a branch's plan cannot be laid.
    """
    stage = standing.ledger.plan.stage_of_epoch(standing.done).number
    past = [r for r in records if r.stage == stage][-_LOOK_BACK:]
    if not past:
        return None
    validation = fmean(r.val_seconds for r in past)
    pixel = fmean(r.train_seconds / r.img_size**2 for r in past)
    try:
        sizes = [full_settings(b, standing).schedule.img_size for b in standard_branches(standing)]
    except SettingsError:
        return None
    return sum(epochs * (pixel * size**2 + validation) + validation for size in sizes)
