"""A plan in words: the table of stages, learning rates by epoch, a plot for the terminal."""

from collections.abc import Iterator, Sequence

from decamo.schedule import HEAD, Ledger, Position, Stage

__all__ = ["epoch_rows", "plan_text", "rates_by_epoch"]

_HERE = "◀ you are here"
_HEIGHT, _WIDTH = 10, 72


def plan_text(ledger: Ledger, position: Position) -> str:
    """Stages, learning rates and a plot of the plan in force, with the position marked."""
    parts = (_stages(ledger), _rates(ledger, position), _plot(ledger, position))
    return "\n\n".join(parts)


def rates_by_epoch(ledger: Ledger) -> dict[int, dict[str, float]]:
    """Epoch -> group -> learning rate at the epoch's first step; 0 while frozen.

    The epochs are those of the plan in force; one that is past has the rates it was trained at.
    """
    epochs = range(ledger.plan.first_epoch, ledger.plan.last_epoch + 1)
    return {e: ledger.rates_at(ledger.steps_of(e).start) for e in epochs}


def epoch_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, right-aligned; a cell beyond the header is a remark, as it is."""
    table = [list(header), *[list(r) for r in rows]]
    widths = [max(len(r[i]) for r in table if i < len(r)) for i in range(len(header))]
    lines = []
    for cells in table:
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths, strict=False)]
        lines.append("  ".join([*aligned, *cells[len(header) :]]).rstrip())
    return "\n".join(lines)


def _stages(ledger: Ledger) -> str:
    world = ledger.last.world
    rows = []
    for s in ledger.plan.stages:
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
                _course(ledger, s),
            ]
        )
    header = ["stage", "epochs", "steps/epoch", "steps", "batch", "px", "curve", "head LR"]
    return epoch_rows(header, rows)


def _batch(stage: Stage) -> str:
    """The micro-batch, and in how many pieces the device takes it."""
    return f"{stage.micro_batch}" + (f" (in {stage.pieces})" if stage.pieces > 1 else "")


def _course(ledger: Ledger, stage: Stage) -> str:
    """First and last rate of the head, and the peak between them where there is one."""
    rates = list(_head_rates(ledger, range(stage.first_step, stage.end_step)))
    turns = [rates[0], max(rates), rates[-1]] if max(rates) > rates[0] else [rates[0], rates[-1]]
    return " -> ".join(f"{rate:.6f}" for rate in turns)


def _head_rates(ledger: Ledger, steps: range) -> Iterator[float]:
    """The head's rate at each of consecutive absolute steps, past ones as they were trained."""
    for plan, begin, end in ledger.lived():
        for step in range(max(steps.start, begin), min(steps.stop, end)):
            yield plan.lr(step)


def _rates(ledger: Ledger, position: Position) -> str:
    backbone = (g for g in ledger.plan.ratios if g != HEAD)
    groups = [HEAD, *sorted(backbone, reverse=True)]
    rows = []
    for epoch, rates in rates_by_epoch(ledger).items():
        cells = [f"{rates[g]:.6f}" if rates[g] else "frozen" for g in groups]
        mark = [f"  {_HERE}"] if epoch == position.epoch + 1 else []
        rows.append([str(epoch), *cells, *mark])
    return epoch_rows(["epoch", *groups], rows)


def _plot(ledger: Ledger, position: Position) -> str:
    """The head's learning rate over the steps of the plan, ``*``; ``|`` is the position."""
    plan = ledger.plan
    span = plan.end_step - plan.first_step
    width = min(_WIDTH, span)
    steps = [plan.first_step + round(i * (span - 1) / max(width - 1, 1)) for i in range(width)]
    rates = [ledger.rates_at(s)[HEAD] for s in steps]
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
