"""What a plan will take, in words."""

from collections.abc import Sequence

from decamo.report.plan_text import epoch_rows
from decamo.schedule import Spending
from decamo.settings.duration import duration

__all__ = ["spending_text"]


def spending_text(spending: Sequence[Spending]) -> str:
    """A table of time and memory by stage; without numbers, how to get them."""
    if all(s.seconds_per_epoch is None for s in spending):
        return "time and memory: not measured yet; --measure times each stage on this machine"
    rows = []
    for s in spending:
        known = s.seconds_per_epoch is not None
        rows.append(
            [
                str(s.stage),
                str(s.epochs),
                duration(s.seconds_per_epoch or 0) if known else "?",
                duration((s.seconds_per_epoch or 0) * s.epochs) if known else "?",
                f"{s.memory_bytes / 2**30:.2f} GiB" if s.memory_bytes else "?",
                s.source,
            ]
        )
    return epoch_rows(["stage", "epochs left", "an epoch", "in all", "memory", "from"], rows)
