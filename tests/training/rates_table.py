"""The action plan's options after 86 epochs, as a table: ``python -m tests.training.rates_table``.

Stages of unequal steps: 43 images in micro-batches of 2, then of 1, four to a step, are 6 steps an
epoch, then 11.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from decamo.history import EpochDone
from decamo.recipes import RECIPES
from decamo.schedule import HEAD
from decamo.settings import ScheduleSettings
from tests.training.simulated import State, command

IMAGES = 43
OPTION_1 = ScheduleSettings(**RECIPES["conservative"]["schedule"])
BEFORE = {
    "none": replace(OPTION_1, skip_stage1=False, scheduler="none", stage2_lr=0.00005),
    "cosine, 86 of 86": replace(OPTION_1, skip_stage1=False, epochs=86),
    "cosine, 86 of 120": replace(OPTION_1, skip_stage1=False),
}


@dataclass(frozen=True)
class Row:
    """The head's rate at the first step of an epoch of an option; at the last, of its last step."""

    before: str
    option: str
    word: str
    epoch: int
    printed: str
    journalled: float
    planned: float
    last_step: float | None


def after_86(root: Path, before: str) -> State:
    """The checkpoint of a run of 86 epochs."""
    schedule = BEFORE[before]
    run = command(schedule, root, images=IMAGES)
    for event in run.events():
        if isinstance(event, EpochDone) and event.record.epoch == 86:
            run.prepared.trainer.stop = lambda: "enough"
    assert run.shelf.held["position"] == {"epoch": 86, "step": 30 * 6 + 56 * 11, "micro": 0}
    return run.shelf.held


def rows() -> Iterator[Row]:
    """Three epochs of each option after each kind of past."""
    for before in BEFORE:
        with tempfile.TemporaryDirectory() as place:
            checkpoint = after_86(Path(place) / "before", before)
            for option in ("conservative", "aggressive", "resolution"):
                yield from _rows(Path(place) / option, before, option, checkpoint)


def _rows(root: Path, before: str, option: str, checkpoint: State) -> Iterator[Row]:
    schedule = ScheduleSettings(**RECIPES[option]["schedule"])
    run = command(schedule, root, images=IMAGES, checkpoint=checkpoint)
    run.shelf.forgets = True
    lines = [e.record for e in run.events() if isinstance(e, EpochDone)]
    entries = [json.loads(line) for line in run.journal.read_text().splitlines()]
    steps = {e["step"]: e["lr"][HEAD] for e in entries if e["kind"] == "step"}
    lineage = run.prepared.trainer.state.lineage
    assert lines[-1].epoch == schedule.epochs
    for epoch in (87, 104, schedule.epochs):
        record = next(r for r in lines if r.epoch == epoch)
        first = lineage.steps_of(epoch).start
        last = lineage.rates_at(max(steps))[HEAD] if epoch == schedule.epochs else None
        assert last in (None, steps[max(steps)])
        yield Row(
            before, option, run.prepared.resumption.kind, epoch,
            record.line().rsplit("LR: ", 1)[1], steps[first], lineage.rates_at(first)[HEAD], last,
        )  # fmt: skip


def main() -> None:
    """Print the table."""
    sys.stdout.write("before                option        word      epoch  printed   journalled"
                     "    planned       last step\n")  # fmt: skip
    for r in rows():
        last = "" if r.last_step is None else f"{r.last_step:.9f}"
        sys.stdout.write(f"{r.before:20s}  {r.option:12s}  {r.word:8s}  {r.epoch:5d}  {r.printed}"
                         f"  {r.journalled:.9f}  {r.planned:.9f}  {last}\n")  # fmt: skip


if __name__ == "__main__":
    main()
