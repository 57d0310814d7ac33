"""A rehearsal in words."""

import math

from decamo.report.plan_text import epoch_rows
from decamo.schedule import Preflight
from decamo.settings.duration import duration

__all__ = ["preflight_text"]


def preflight_text(flight: Preflight, budget: float | None) -> str:
    """Time and memory of each stage, of a save and of the whole plan.

    Args:
        flight: what was seen.
        budget: seconds of a session, to tell how many it will take; None for no such limit.
    """
    rows = [
        [
            str(s.stage),
            str(s.epochs),
            f"{s.step_seconds:.2f} s",
            duration(s.steps * s.step_seconds),
            duration(s.epochs * s.steps * s.step_seconds),
            f"{s.memory_bytes / 2**30:.2f} GiB",
            "whole" if s.pieces == 1 else f"in {s.pieces} pieces",
        ]
        for s in flight.stages
    ]
    header = ["stage", "epochs left", "a step", "an epoch", "in all", "memory", "micro-batch"]
    lines = [
        epoch_rows(header, rows),
        f"a validation {duration(flight.val_seconds)}; a save {flight.save_seconds:.1f} s, read"
        f" back and compared in {flight.load_seconds:.1f} s",
        f"a checkpoint {flight.file_bytes / 1e6:.0f} MB; the folder may need"
        f" {flight.disk_bytes / 1e9:.1f} GB more, which are free",
        f"the whole plan: {duration(flight.seconds)}{_sessions(flight.seconds, budget)}",
    ]
    return "\n".join(lines)


def _sessions(seconds: float, budget: float | None) -> str:
    if budget is None:
        return ""
    count = math.ceil(seconds / budget)
    return f", {count} session{'s' * (count > 1)} of {duration(budget)}"
