"""Images that are neighbours: frames of one video, near copies, or what a pattern puts together.

A network that has seen one frame knows the next. Neighbours therefore belong on one side of a
hold-out.

*Near copies* are the audit's: :func:`decamo.data.fingerprints.alike`, and equal bytes.

*A sequence* is a series of numbered names (``seq1_000``, ``seq1_001`` ...) in which one frame
mostly looks like the next. A name alone does not make one: CAMO numbers unrelated photographs.
"Looks like" means that the thumbnails correlate by ``LIKE_THE_NEXT``. Of the 403 training images
of a tenth of COD10K and CAMO, put in the order of their names, 0.7 % of the next ones do; of the
frames of one video all but those behind a cut. Where a set has a folder for each video and says so
(``..._per_sq``), each is a sequence whatever it looks like.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from decamo.data.census import Entry
from decamo.data.fingerprints import alike, resemblance
from decamo.data.halves import words_of
from decamo.errors import DataError, SettingsError

__all__ = ["AUTO", "LIKE_THE_NEXT", "NONE", "Neighbours", "find_neighbours"]

AUTO, NONE = "auto", "none"
"""What ``--group-by`` takes beside a pattern."""

LIKE_THE_NEXT = 0.5
_MOSTLY = 0.5  # share of the steps of a series that lead to a frame which looks like the last one
_FEWEST = 4  # frames; fewer can look alike by chance
_LARGEST = 1 / 3  # of all images: a longer series is parted at its cuts, else nothing could be held
_FRAME = re.compile(r"(.*?)(\d+)\D*$", re.DOTALL)


@dataclass(frozen=True)
class Neighbours:
    """Groups of images, each of two or more.

    Attributes:
        groups: keys of the images of each group; no image is in two.
        lines: what was found, for people.
    """

    groups: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()


def find_neighbours(entries: Sequence[Entry], group_by: str = AUTO) -> Neighbours:
    """Which images belong together.

    Args:
        entries: of a census.
        group_by: ``auto``: sequences and near copies; ``none``: nothing; else a regular expression
            that is searched in ``dataset/name``: images in which it finds the same text (that of
            its groups, where it has any) belong together, and near copies of them.

    Raises:
        SettingsError: no regular expression.
        DataError: it finds nothing in any name.
    """
    if group_by == NONE:
        return Neighbours()
    ordered = sorted(entries, key=lambda entry: entry.pair.key)
    together = _Together(len(ordered))
    series = _sequences(ordered) if group_by == AUTO else _by_pattern(ordered, group_by)
    for members in series:
        together.join(members)
    for left, right in _copies(ordered):
        together.join((left, right))
    groups = together.groups()
    framed = {index for members in series if len(members) > 1 for index in members}
    videos = [group for group in groups if framed.intersection(group)]
    copies = [group for group in groups if not framed.intersection(group)]
    kinds = (
        (videos, "sequence" if group_by == AUTO else f"group by --group-by {group_by}"),
        (copies, "group of near copies"),
    )
    lines = [f"{_count(kind, what)}, {sum(map(len, kind))} images" for kind, what in kinds if kind]
    keys = tuple(tuple(ordered[i].pair.key for i in group) for group in groups)
    return Neighbours(keys, tuple(lines))


def _count(groups: Sequence[object], what: str) -> str:
    noun, _, rest = what.partition(" ")
    return f"{len(groups)} {noun}{'s' * (len(groups) != 1)} {rest}".rstrip()


def _by_pattern(entries: Sequence[Entry], pattern: str) -> list[list[int]]:
    try:
        searched = re.compile(pattern)
    except re.error as error:
        raise SettingsError(
            "--group-by", f"got {pattern!r}: {error}", "give a regular expression, auto or none"
        ) from error
    found: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, entry in enumerate(entries):
        if match := searched.search(entry.pair.key):
            found[tuple(g or "" for g in match.groups()) or (match[0],)].append(index)
    if not found and entries:
        raise DataError(
            "--group-by",
            f"{pattern} finds nothing in {entries[0].pair.key} or any other of the names",
            "give a regular expression that finds in each name what its group has in common",
        )
    return list(found.values())


def _sequences(entries: Sequence[Entry]) -> list[list[int]]:
    """Frames of each video, as positions in ``entries``."""
    series: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for index, entry in enumerate(entries):
        match = _FRAME.match(entry.pair.stem)
        name, number = (match[1], int(match[2])) if match else (entry.pair.stem, 0)
        series[entry.pair.dataset, name].append((number, index))
    found: list[list[int]] = []
    for numbered in series.values():
        frames = [index for _, index in sorted(numbered)]
        if len(frames) > 1 and _has_own_folder(entries[frames[0]]):
            found.append(frames)
        elif len(frames) >= _FEWEST:
            found += _parts(entries, frames)
    return found


def _parts(entries: Sequence[Entry], frames: list[int]) -> list[list[int]]:
    """A series as one sequence, as several where it is long and has cuts, or as none."""
    prints = [entries[index].print for index in frames]
    if any(found is None for found in prints):
        return []
    near = resemblance([found for found in prints if found is not None]) >= LIKE_THE_NEXT
    if near.mean() < _MOSTLY:
        return []
    if len(frames) <= max(_LARGEST * len(entries), _FEWEST):
        return [frames]
    cuts = [0, *(int(at) + 1 for at in np.flatnonzero(~near)), len(frames)]
    return [frames[a:b] for a, b in pairwise(cuts)]


def _has_own_folder(entry: Entry) -> bool:
    """Whether a folder above says that each folder in it is a video, as MoCA-Mask's do."""
    return any("sq" in words_of(folder.name) for folder in entry.pair.image.parents[1:4])


def _copies(entries: Sequence[Entry]) -> list[tuple[int, int]]:
    same: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(entries):
        if entry.image_digest:
            same[entry.image_digest].append(index)
    found = [(group[0], other) for group in same.values() for other in group[1:]]
    known = [(index, entry.print) for index, entry in enumerate(entries) if entry.print]
    likes = alike([one for _, one in known])
    return found + [(known[like.left][0], known[like.right][0]) for like in likes]


class _Together:
    """Sets that are joined where they touch (union-find)."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def root(self, index: int) -> int:
        while self._above[index] != index:
            self._above[index] = self._above[self._above[index]]
            index = self._above[index]
        return index

    def join(self, members: Sequence[int]) -> None:
        for other in members[1:]:
            left, right = self.root(members[0]), self.root(other)
            self._above[max(left, right)] = min(left, right)

    def groups(self) -> list[list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for index in range(len(self._above)):
            found[self.root(index)].append(index)
        return [group for group in found.values() if len(group) > 1]
