import json
from pathlib import Path

import pytest

from benchmarks.speed_lines import Line, line_of_rounds, markdown, plain, read_lines, table
from decamo.errors import SettingsError


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


def test_the_page_s_table_has_the_newest_line_of_each_file(tmp_path: Path) -> None:
    a, b = Line("network", "a / b", 1.3, 1.2, 1.4, 1.25), Line("loader", "c / d", 5, 5, 5)
    newer = Line("network", "a / b", 1.2, 1.1, 1.25, 1.25)
    files = [tmp_path / "1.json", tmp_path / "2.json"]
    files[0].write_text(json.dumps({"lines": plain([a, b])}))
    files[1].write_text(json.dumps({"lines": plain([newer])}))
    assert read_lines(files) == [newer, b]
    _, _, first, second = markdown([newer, b]).splitlines()
    assert first == "| network | a / b | 1.20 (1.10 to 1.25) | at most 1.25 | met |"
    assert second == "| loader | c / d | 5.00 |  |  |"


def test_a_file_without_lines_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"x\.json.*speed --json wrote"):
        read_lines([tmp_path / "x.json"])
