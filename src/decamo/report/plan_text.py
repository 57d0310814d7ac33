"""A plan, its cost and its dry run as text."""

import math
from collections.abc import Iterator, Sequence

from decamo.schedule import HEAD, DryRun, Lineage, Position, Spending, Stage
from decamo.settings.words import duration

__all__ = [
    "dry_run_text",
    "epoch_rows",
    "plan_text",
    "rates_by_epoch",
    "spending_text",
]


def dry_run_text(dry_run: DryRun, budget: float | None) -> str:
    """Time and memory of each stage, of a save and of the whole plan.

    Args:
        dry_run: what was seen.
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
            "whole" if s.micro_batch_splits == 1 else f"in {s.micro_batch_splits} pieces",
        ]
        for s in dry_run.stages
    ]
    header = ["stage", "epochs left", "a step", "an epoch", "in all", "memory", "micro-batch"]
    lines = [
        epoch_rows(header, rows),
        f"a validation {duration(dry_run.val_seconds)}; a save {dry_run.save_seconds:.1f} s, read"
        f" back and compared in {dry_run.load_seconds:.1f} s",
        f"a checkpoint {dry_run.file_bytes / 1e6:.0f} MB; the folder may need"
        f" {dry_run.disk_bytes / 1e9:.1f} GB more, which are free",
        f"the whole plan: {duration(dry_run.seconds)}{_sessions(dry_run.seconds, budget)}",
    ]
    return "\n".join(lines)


def _sessions(seconds: float, budget: float | None) -> str:
    if budget is None:
        return ""
    count = math.ceil(seconds / budget)
    return f", {count} session{'s' * (count > 1)} of {duration(budget)}"


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


_HERE = "◀ you are here"
_HEIGHT, _WIDTH = 10, 72


def plan_text(lineage: Lineage, position: Position) -> str:
    """Stages, learning rates and a plot of the plan in force, with the position marked."""
    parts = (_stages(lineage), _rates(lineage, position), _plot(lineage, position))
    return "\n\n".join(parts)


def rates_by_epoch(lineage: Lineage) -> dict[int, dict[str, float]]:
    """Epoch -> group -> learning rate at the epoch's first step; 0 while frozen.

    The epochs are those of the plan in force; one that is past has the rates it was trained at.
    """
    epochs = range(lineage.plan.first_epoch, lineage.plan.last_epoch + 1)
    return {e: lineage.rates_at(lineage.steps_of(e).start) for e in epochs}


def epoch_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, right-aligned; a cell beyond the header is a remark, as it is."""
    table = [list(header), *[list(r) for r in rows]]
    widths = [max(len(r[i]) for r in table if i < len(r)) for i in range(len(header))]
    lines = []
    for cells in table:
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths, strict=False)]
        lines.append("  ".join([*aligned, *cells[len(header) :]]).rstrip())
    return "\n".join(lines)


def _stages(lineage: Lineage) -> str:
    world = lineage.last.world
    rows = []
    for s in lineage.plan.stages:
        effective = s.micro_batch * s.accumulation * world
        devices = f" x {world}" if world > 1 else ""
        rows.append(
            [
                str(s.number),
                f"{s.first_epoch}-{s.last_epoch}",
                f"{s.steps_per_epoch}",
                f"{s.first_step}-{s.end_step - 1}",
                f"{_batch(s)} x {s.accumulation}{devices} = {effective}",
                f"{s.img_size}",
                s.curve.kind,
                _course(lineage, s),
            ]
        )
    header = ["stage", "epochs", "steps/epoch", "steps", "batch", "px", "curve", "head LR"]
    return epoch_rows(header, rows)


def _batch(stage: Stage) -> str:
    """The micro-batch, and in how many pieces the device takes it."""
    return f"{stage.micro_batch}" + (
        f" (in {stage.micro_batch_splits})" if stage.micro_batch_splits > 1 else ""
    )


def _course(lineage: Lineage, stage: Stage) -> str:
    """First and last rate of the head, and the peak between them where there is one."""
    rates = list(_head_rates(lineage, range(stage.first_step, stage.end_step)))
    turns = [rates[0], max(rates), rates[-1]] if max(rates) > rates[0] else [rates[0], rates[-1]]
    return " -> ".join(f"{rate:.6f}" for rate in turns)


def _head_rates(lineage: Lineage, steps: range) -> Iterator[float]:
    """The head's rate at each of consecutive absolute steps, past ones as they were trained."""
    for plan, begin, end in lineage.lived():
        for step in range(max(steps.start, begin), min(steps.stop, end)):
            yield plan.lr(step)


def _rates(lineage: Lineage, position: Position) -> str:
    backbone = (g for g in lineage.plan.ratios if g != HEAD)
    groups = [HEAD, *sorted(backbone, reverse=True)]
    rows = []
    for epoch, rates in rates_by_epoch(lineage).items():
        cells = [f"{rates[g]:.6f}" if rates[g] else "frozen" for g in groups]
        mark = [f"  {_HERE}"] if epoch == position.epoch + 1 else []
        rows.append([str(epoch), *cells, *mark])
    return epoch_rows(["epoch", *groups], rows)


def _plot(lineage: Lineage, position: Position) -> str:
    """The head's learning rate over the steps of the plan, ``*``; ``|`` is the position."""
    plan = lineage.plan
    span = plan.end_step - plan.first_step
    width = min(_WIDTH, span)
    steps = [plan.first_step + round(i * (span - 1) / max(width - 1, 1)) for i in range(width)]
    rates = [lineage.rates_at(s)[HEAD] for s in steps]
    top = max(rates)
    grid = [[" "] * width for _ in range(_HEIGHT)]
    here = next((i for i, s in enumerate(steps) if s >= position.step), width - 1)
    for row in grid:
        row[here] = "|"
    for i, rate in enumerate(rates):
        grid[_HEIGHT - 1 - round(rate / top * (_HEIGHT - 1))][i] = "*"
    label = [f"{top * (_HEIGHT - 1 - i) / (_HEIGHT - 1):.6f}" for i in range(_HEIGHT)]
    lines = [f"{text} {''.join(row)}".rstrip() for text, row in zip(label, grid, strict=True)]
    foot = f"{'':8} epoch {plan.first_epoch} ... {plan.last_epoch}; | is epoch {position.epoch + 1}"
    return "\n".join([*lines, foot])
