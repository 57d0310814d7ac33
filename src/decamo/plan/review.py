"""Look a plan over before a GPU hour is spent: warnings where a curve cannot do what it says."""

from decamo.plan.ledger import Ledger
from decamo.settings import shown

__all__ = ["review"]


def review(ledger: Ledger) -> tuple[str, ...]:
    """Warnings about the plan in force, each one sentence for people."""
    return (*_never_anneals(ledger), *_rises(ledger), *_reset_by_short_cycles(ledger))


def _never_anneals(ledger: Ledger) -> list[str]:
    last = ledger.plan.stages[-1]
    stage2 = next((s for s in ledger.plan.stages if s.number == 2), None)
    if last.number == 3 or stage2 is None or stage2.curve.kind != "none":
        return []
    return [
        f"the learning rate never anneals: --scheduler none holds {shown(stage2.curve.peak)} to the"
        " end; --scheduler cosine lets the run settle"
    ]


def _rises(ledger: Ledger) -> list[str]:
    """Rises that nobody asked for: at an extension, and where a later stage starts higher."""
    warnings = []
    plans = list(ledger.lived())
    if ledger.last.word == "extend" and len(plans) > 1:
        before = plans[-2][0].lr(ledger.last.at_step - 1)
        now = ledger.plan.lr(ledger.last.at_step)
        if now > before * 1.05:
            warnings.append(
                f"the learning rate rises from {before:.6f} to {now:.6f} at epoch"
                f" {ledger.last.at_epoch + 1}: the longer curve stands higher there; give"
                " --stage2-lr as well to branch at a rate of your choice"
            )
    for earlier, later in zip(ledger.plan.stages, ledger.plan.stages[1:], strict=False):
        if later.number == 3 and later.lr(later.first_step) > earlier.lr(earlier.end_step - 1):
            warnings.append(
                f"stage 3 starts at {later.lr(later.first_step):.6f}, above the"
                f" {earlier.lr(earlier.end_step - 1):.6f} on which stage 2 ends;"
                " give a --stage3-lr of at most --min-lr to polish"
            )
    return warnings


def _reset_by_short_cycles(ledger: Ledger) -> list[str]:
    warnings = []
    for stage in ledger.plan.stages:
        starts = stage.curve.cycle_starts()
        if stage.curve.kind == "cosine_restart" and len(starts) > 1:
            shortest = starts[1] - starts[0]
            if shortest < stage.steps_per_epoch:
                warnings.append(
                    f"the first cycle of stage {stage.number} has {shortest} steps, less than an"
                    f" epoch ({stage.steps_per_epoch}); give fewer --cycles or a smaller --t-mult"
                )
    return warnings
