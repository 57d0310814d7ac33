"""Counters without a word beside them, such as ``0:86860 0/1010 0/86``: which one is the epoch's.

They are told apart by how they move over the whole log, not by where they stand.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["counters_in", "epoch_counter"]

_COUNTER = re.compile(r"(?<![\w.:/,\-])\[?\s{0,3}(\d{1,9})\s?[/:]\s?(\d{1,9})(?![\w.:/\-]|\s?%)")
_FEWEST = 3  # lines


def counters_in(line: str) -> tuple[tuple[int, int], ...]:
    """All ``done/of`` of a line, those without a word as well; ``done`` is at most ``of``."""
    found = ((int(m[1]), int(m[2])) for m in _COUNTER.finditer(line))
    return tuple((done, of) for done, of in found if done <= of and of > 0)


def epoch_counter(
    rows: Sequence[tuple[tuple[int, int], ...]],
) -> tuple[int, tuple[int, ...]] | None:
    """The counter of a log that counts epochs.

    It only grows, and stands still while another one runs: from one line to the next it changes
    more rarely than any other. A log with one counter has a line an epoch.

    Args:
        rows: the counters of each line.

    Returns:
        its index, and the totals of the lines that it is read from; None where there is none.
    """
    shapes = Counter(tuple(of for _, of in row) for row in rows if row)
    if not shapes:
        return None
    shape = shapes.most_common(1)[0][0]
    alike = [[done for done, _ in row] for row in rows if tuple(of for _, of in row) == shape]
    if len(alike) < _FEWEST:
        return None
    columns = list(zip(*alike, strict=True))
    steps = [sum(a != b for a, b in pairwise(column)) for column in columns]
    grow = [i for i, column in enumerate(columns) if _grows(column)]
    if len(columns) == 1:
        each = grow and steps[0] == len(alike) - 1
        return (0, shape) if each else None
    if not grow:
        return None
    slowest = min(grow, key=lambda i: steps[i])
    others = [steps[i] for i in range(len(columns)) if i != slowest]
    return (slowest, shape) if steps[slowest] < max(others) else None


def _grows(column: Sequence[int]) -> bool:
    """From line to line by 0 or 1 but for resumes, which are rare."""
    jumps = sum(b - a not in (0, 1) for a, b in pairwise(column))
    return jumps <= len(column) // 50
