"""Images that occur more than once, within a split, across splits and across data sets."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from decamo.data.audit.findings import Finding
from decamo.data.audit.look import FileFacts
from decamo.data.fingerprints import alike

__all__ = ["Copy", "Shown", "copy_findings", "find_copies"]

_ALL_PAIRS_UP_TO = 10  # copies of one image; above, each is compared with the first alone


@dataclass(frozen=True)
class Shown:
    """An image and where it belongs."""

    facts: FileFacts
    dataset: str
    split: str

    @property
    def place(self) -> str:
        """In words: ``COD10K-v3 train``."""
        return f"{self.dataset} {self.split}"


@dataclass(frozen=True)
class Copy:
    """Two files that hold one picture.

    Attributes:
        left: a file.
        right: another.
        left_place: data set and split of the first.
        right_place: data set and split of the second.
        how: ``same bytes``, ``same pixels``, ``near copy`` or ``mirrored copy``.
        bits: in which the difference hashes differ, 0 to 64.
        correlation: of the 32 x 32 thumbnails.
        leak: whether one is to train on and the other to test or validate on.
    """

    left: Path
    right: Path
    left_place: str
    right_place: str
    how: str
    bits: int
    correlation: float
    leak: bool


def find_copies(images: Sequence[Shown]) -> list[Copy]:
    """Every pair of images that are copies: leaks first, then the more certain first."""
    sound = [image for image in images if not image.facts.fault]
    copies = [_copy(a, b, _exactly(a, b), 0, 1.0) for a, b in _same_pixels(sound)]
    for like in alike([image.facts.print for image in sound]):
        a, b = sound[like.left], sound[like.right]
        if a.facts.pixels != b.facts.pixels:
            how = "mirrored copy" if like.mirrored else "near copy"
            copies.append(_copy(a, b, how, like.bits, like.correlation))
    return sorted(copies, key=lambda c: (not c.leak, -c.correlation, c.bits, c.left, c.right))


def copy_findings(copies: Sequence[Copy]) -> list[Finding]:
    """The same as findings, named by the first file of each pair."""
    return [
        Finding(
            "leak" if copy.leak else "copy",
            copy.left,
            f"{copy.how} ({copy.left_place}) of {copy.right} ({copy.right_place})"
            + _measures(copy),
        )
        for copy in copies
    ]


def _measures(copy: Copy) -> str:
    if copy.how.startswith("same"):
        return ""
    return f": {copy.bits} of 64 hash bits differ, correlation {copy.correlation:.3f}"


def _same_pixels(images: Sequence[Shown]) -> list[tuple[Shown, Shown]]:
    groups: dict[str, list[Shown]] = defaultdict(list)
    for image in images:
        groups[image.facts.pixels].append(image)
    pairs: list[tuple[Shown, Shown]] = []
    for group in groups.values():
        if len(group) <= _ALL_PAIRS_UP_TO:
            pairs += combinations(group, 2)
        else:
            pairs += [(group[0], other) for other in group[1:]]
    return pairs


def _exactly(a: Shown, b: Shown) -> str:
    return "same bytes" if a.facts.sha256 == b.facts.sha256 else "same pixels"


def _copy(a: Shown, b: Shown, how: str, bits: int, correlation: float) -> Copy:
    splits = {a.split, b.split} - {"any", "unclear"}
    return Copy(
        Path(a.facts.path), Path(b.facts.path), a.place, b.place, how, bits, correlation,
        leak=len(splits) == 2,
    )  # fmt: skip
