"""A ratio with its spread and its goal: a line of ``python -m benchmarks speed``."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.spread import Spread
from decamo.errors import SettingsError
from decamo.report import epoch_rows

__all__ = ["Line", "Part", "line_of_rounds", "markdown", "plain", "read_lines", "table"]

Part = Literal[
    "network", "loader", "metrics", "scoring", "step", "forward", "training", "launch", "folder"
]


@dataclass(frozen=True)
class Line:
    """One ratio.

    Attributes:
        part: of the program.
        what: is compared with what.
        ratio: median over the rounds.
        low: lower quartile; the ratio itself where it does not vary.
        high: upper quartile, likewise.
        goal: what the ratio should be; None where it is only told.
        at_most: whether the goal bounds it from above.
    """

    part: Part
    what: str
    ratio: float
    low: float
    high: float
    goal: float | None = None
    at_most: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the goal; None without one."""
        if self.goal is None:
            return None
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


def line_of_rounds(
    part: Part,
    what: str,
    ratios: Sequence[float],
    goal: float | None = None,
    *,
    at_most: bool = True,
) -> Line:
    """A line from the ratio of each round; the goal, if any, is an upper bound or a lower one."""
    spread = Spread.of(ratios)
    return Line(part, what, spread.median, spread.low, spread.high, goal, at_most)


def table(lines: Sequence[Line]) -> str:
    """All lines, each with its goal and whether it is met."""
    rows = []
    for line in lines:
        varies = line.low != line.high
        goal = "" if line.goal is None else f"{'<=' if line.at_most else '>='} {line.goal:g}"
        rows.append(
            [
                line.part,
                line.what,
                f"{line.ratio:.3g}" if line.ratio >= 10 else f"{line.ratio:.2f}",
                f"{line.low:.2f} to {line.high:.2f}" if varies else "",
                goal,
                {True: "met", False: "not met", None: ""}[line.met],
            ]
        )
    widest = max((len(line.what) for line in lines), default=0)
    for row in rows:
        row[1] = row[1].ljust(widest)
    return epoch_rows(["part", "what".ljust(widest), "ratio", "quartiles", "goal", ""], rows)


def markdown(lines: Sequence[Line]) -> str:
    """The table of ``docs/speed.md``: each line with its goal and whether it is met."""
    rows = ["| part | | ratio | goal | |", "|---|---|---|---|---|"]
    for line in lines:
        number = f"{line.ratio:.3g}" if line.ratio >= 10 else f"{line.ratio:.2f}"
        spread = f" ({line.low:.2f} to {line.high:.2f})" if line.low != line.high else ""
        goal = (
            "" if line.goal is None else f"at {'most' if line.at_most else 'least'} {line.goal:.3g}"
        )
        met = {True: "met", False: "not met", None: ""}[line.met]
        rows.append(f"| {line.part} | {line.what} | {number}{spread} | {goal} | {met} |")
    return "\n".join(rows)


def read_lines(files: Sequence[Path]) -> list[Line]:
    """The lines of several ``--json`` files; of one that stands in two the later file's.

    Raises:
        SettingsError: a file is none of these.
    """
    found: dict[tuple[Part, str], Line] = {}
    for file in files:
        try:
            for words in json.loads(file.read_text("utf-8"))["lines"]:
                line = Line(**{name: words[name] for name in Line.__dataclass_fields__})
                found[line.part, line.what] = line
        except (OSError, ValueError, KeyError, TypeError) as error:
            remedy = "name files that python -m benchmarks speed --json wrote"
            raise SettingsError(file, f"holds no lines: {error}", remedy) from error
    return list(found.values())


def plain(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """For ``--json``."""
    return [asdict(line) | {"met": line.met} for line in lines]
