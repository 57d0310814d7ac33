import pytest

from benchmarks.speed_lines import Line, line_of_rounds, plain, table


@pytest.mark.parametrize(
    ("ratio", "goal", "at_most", "met"),
    [
        (1.25, 1.25, True, True),
        (1.26, 1.25, True, False),
        (4.0, 4.0, False, True),
        (3.9, 4.0, False, False),
        (9.0, None, True, None),
    ],
)
def test_a_goal_is_met_from_the_right_side(
    ratio: float, goal: float | None, at_most: bool, met: bool | None
) -> None:
    assert Line("network", "a / b", ratio, ratio, ratio, goal, at_most).met is met


def test_the_spread_is_that_of_the_rounds_ratios() -> None:
    line = line_of_rounds("network", "a / b", [5.0, 1.0, 2.0, 4.0, 3.0], 3.0)
    assert (line.low, line.ratio, line.high, line.met) == (2.0, 3.0, 4.0, True)
    assert line_of_rounds("network", "a / b", [2.0]).high == 2.0


def test_the_table_says_goal_and_outcome() -> None:
    lines = [
        Line("network", "a / b", 1.3, 1.2, 1.4, 1.25),
        Line("loader", "much longer / b", 12.34, 12.34, 12.34, 4.0, at_most=False),
    ]
    _, first, second = table(lines).splitlines()
    assert first.split()[-3:] == ["1.25", "not", "met"]
    assert "1.20 to 1.40" in first
    assert "12.3" in second
    assert "12.34" not in second  # a count does not vary, so it has no quartiles
    assert ">= 4" in second
    assert [line["met"] for line in plain(lines)] == [False, True]
