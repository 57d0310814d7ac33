import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decamo.report import epoch_rows, plan_text, rates_by_epoch
from decamo.schedule import Position
from decamo.settings import ScheduleSettings
from tests.report.lineages import SCHEDULE, branched, started
from tests.settings.strategies import schedules

HERE = "◀ you are here"


def parts(text: str) -> tuple[list[str], list[str], list[str]]:
    stages, rates, plot = text.split("\n\n")
    return stages.splitlines(), rates.splitlines(), plot.splitlines()


@pytest.mark.parametrize("epoch", [0, 29, 30, 86, 119])
def test_marks_exactly_where_the_run_stands(epoch: int) -> None:
    lineage = started()
    text = plan_text(lineage, Position(epoch, lineage.plan.epoch_start(epoch + 1)))

    marked = [line for line in text.splitlines() if HERE in line]
    assert len(marked) == 1
    assert marked[0].split()[0] == str(epoch + 1)


def test_branch_starts_at_the_rate_that_was_asked_for() -> None:
    resumption = branched()
    _, rates, _ = parts(plan_text(resumption.lineage, resumption.position))

    assert rates[1].split()[:2] == ["87", "0.000200"]
    assert HERE in rates[1]
    assert rates[-1].split()[0] == "120"


def test_frozen_groups_are_shown_as_frozen() -> None:
    _, rates, _ = parts(plan_text(started(), Position()))
    header, rows = rates[0].split(), {r.split()[0]: r.split()[1:] for r in rates[1:]}

    assert header == ["epoch", "head", "backbone.3", "backbone.2", "backbone.1", "backbone.0"]
    assert rows["30"][1:5] == ["frozen"] * 4
    assert rows["31"][1:5] == ["0.000005", "frozen", "frozen", "frozen"]
    assert rows["61"][2] != "frozen"
    assert rows["61"][3:5] == ["frozen"] * 2
    assert "frozen" not in rows["91"]


def test_every_epoch_has_its_row_with_the_plans_own_rate() -> None:
    lineage = started()
    _, rates, _ = parts(plan_text(lineage, Position()))

    for epoch, row in enumerate(rates[1:], start=1):
        shown = row.split()
        assert int(shown[0]) == epoch
        assert shown[1] == f"{lineage.plan.lr(lineage.plan.epoch_start(epoch)):.6f}"
    assert len(rates) == 121


def test_stage_table_shows_the_effective_batch() -> None:
    stages, _, _ = parts(plan_text(started(replace(SCHEDULE, stage2_batch_size=1)), Position()))

    assert "2 x 4 = 8" in stages[1]
    assert "1 x 4 = 4" in stages[2]
    assert re.search(r"\b1-30\b", stages[1])
    assert re.search(r"\b31-120\b", stages[2])
    assert "0.000050 -> 0.000010" in stages[2]

    devices, _, _ = parts(plan_text(started(world=2), Position()))
    assert "2 x 4 x 2 = 16" in devices[1]


def test_rates_by_epoch_has_zero_while_frozen() -> None:
    rates = rates_by_epoch(started())

    assert list(rates) == list(range(1, 121))
    assert rates[30]["backbone.0"] == 0
    assert rates[31]["backbone.3"] == pytest.approx(0.1 * rates[31]["head"])


@settings(max_examples=40, deadline=None)
@given(schedules(), st.data())
def test_plot_covers_the_plan_and_its_highest_point(
    schedule: ScheduleSettings, data: st.DataObject
) -> None:
    lineage = started(schedule)
    plan = lineage.plan
    epoch = data.draw(st.integers(plan.first_epoch - 1, plan.last_epoch - 1))
    text = plan_text(lineage, Position(epoch, plan.epoch_start(epoch + 1)))
    *rows, foot = parts(text)[2]

    assert len(rows) == 10
    columns = [row[9:] for row in rows]
    width = min(72, plan.end_step - plan.first_step)
    assert max(len(c) for c in columns) == width
    for i in range(width):  # one star a column: the curve is a function
        assert sum(c[i : i + 1] == "*" for c in columns) == 1
    assert "*" in columns[0], "the top row is the highest rate"
    assert foot.strip() == (
        f"epoch {plan.first_epoch} ... {plan.last_epoch}; | is epoch {epoch + 1}"
    )
    assert text.count(HERE) == 1


@pytest.mark.parametrize(("epoch", "column"), [(0, 0), (60, 36), (119, 72)])
def test_bar_of_the_plot_stands_at_the_position(epoch: int, column: int) -> None:
    lineage = started()
    text = plan_text(lineage, Position(epoch, lineage.plan.epoch_start(epoch + 1)))
    *rows, _ = parts(text)[2]

    bars = {i for row in rows for i, c in enumerate(row[9:]) if c == "|"}
    assert len(bars) == 1
    assert abs(bars.pop() - column) <= 1


def test_columns_are_right_aligned_and_a_remark_may_follow() -> None:
    rows = [["10", "b"], ["7", "longer", "remark"]]

    assert epoch_rows(["n", "name"], rows) == " n    name\n10       b\n 7  longer  remark"
