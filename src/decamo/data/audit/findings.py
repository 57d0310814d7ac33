"""Facts -> findings: what a person should know about a data set.

Among them images that occur more than once, within a split, across splits and across data sets.
"""

import hashlib
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from decamo.data.audit.look import FileFacts
from decamo.data.fingerprints import alike
from decamo.data.pairs import Pair
from decamo.storage.spilled import Picked

__all__ = [
    "FULL",
    "SEVERITIES",
    "Copy",
    "Finding",
    "Shown",
    "copy_findings",
    "file_findings",
    "find_copies",
    "pair_findings",
    "severity_of",
]

SEVERITIES = ("broken", "leak", "warning", "note")
FULL = 0.99  # share of object from which on a mask was rather inverted or forgotten

_SEVERITY = {
    # training leaves these out, or reads what a lenient decoder makes of them
    "dead-link": "broken",
    "empty-file": "broken",
    "not-an-image": "broken",
    "truncated": "broken",
    "damaged": "broken",
    "unreadable": "broken",
    "too-many-pixels": "broken",
    "reader-died": "broken",
    "size-mismatch": "broken",
    "same-name": "broken",
    # scores on such a test set are too good
    "leak": "leak",
    # these may be meant, but rarely are
    "copy": "warning",
    "image-without-mask": "warning",
    "mask-without-image": "warning",
    "same-name-but-case": "warning",
    "unclear-half": "warning",
    "folder-like-image": "warning",
    "empty-mask": "warning",
    "void-mask": "warning",
    "full-mask": "warning",
    "inverted-mask": "warning",
    "grey-mask": "warning",
    "tiny": "warning",
    "several-frames": "warning",
    "wrong-extension": "warning",
    "trailing-bytes": "warning",
    # read as the documentation says; good to know
    "noncam": "note",
    "exif-orientation": "note",
    "unusual-mode": "note",
    "lossy-mask": "note",
    "other-file": "note",
    "outside": "note",
    "other-names": "note",
}

_PLAIN_MODES = {"image": ("RGB",), "mask": ("L", "1")}
_TINY = 16  # px: less than half a cell of a backbone's last level (stride 32)
_WORDS = {
    "L": "grey",
    "P": "a palette",
    "LA": "grey with alpha",
    "RGBA": "RGB with alpha",
    "1": "one bit a pixel",
    "F": "float",
    "RGB": "RGB",
}


@dataclass(frozen=True)
class Finding:
    """One thing about one file.

    Attributes:
        kind: a word such as ``truncated``; ``severity_of`` knows them all.
        path: the file.
        detail: what was found, in words.
    """

    kind: str
    path: Path
    detail: str

    @property
    def severity(self) -> str:
        """``broken``, ``leak``, ``warning`` or ``note``."""
        return severity_of(self.kind)


def severity_of(kind: str) -> str:
    """How bad a kind of finding is."""
    return _SEVERITY[kind]


def file_findings(facts: FileFacts) -> list[Finding]:
    """What one file's facts say."""
    if facts.fault:
        return [Finding(facts.fault, Path(facts.path), facts.reason)]
    path = Path(facts.path)
    return [Finding(kind, path, detail) for kind, detail in _oddities(facts)]


def _oddities(facts: FileFacts) -> Iterator[tuple[str, str]]:
    if facts.orientation != 1:
        yield "exif-orientation", f"EXIF orientation {facts.orientation}, applied when read"
    wide = facts.bits == 16
    if facts.mode not in _PLAIN_MODES[facts.role] or wide:
        words = _WORDS.get(facts.mode, facts.mode)
        yield "unusual-mode", f"{facts.role} stored as {words}{', 16 bits a channel' * wide}"
    if not facts.suffix_fits:
        yield "wrong-extension", f"the content is {facts.format}"
    if facts.frames > 1:
        yield "several-frames", f"{facts.frames} pictures in one file; only the first is read"
    if facts.trailing and facts.format != "MPO":  # where the other pictures lie there
        yield "trailing-bytes", f"{facts.trailing} bytes after the picture's end"
    if min(facts.shown) < _TINY:
        yield "tiny", f"{facts.shown[0]} x {facts.shown[1]} px (height x width)"
    if facts.role == "mask":
        yield from _mask_oddities(facts)


def _mask_oddities(facts: FileFacts) -> Iterator[tuple[str, str]]:
    if facts.foreground == 0:
        named = Path(facts.path).stem.casefold().startswith("cod10k-noncam-")
        yield ("noncam", "empty mask, as the name says") if named else ("empty-mask", "no object")
    if facts.foreground >= FULL:
        yield "full-mask", f"{facts.foreground:.1%} of the mask is object"
    if facts.format in ("JPEG", "MPO"):
        yield "lossy-mask", "a JPEG mask: its values are blurred by the codec"
    if facts.grey:
        yield (
            "grey-mask",
            f"{facts.grey:.2%} of the pixels are neither black nor white ({facts.levels} values)",
        )


def pair_findings(pair: Pair, image: FileFacts, mask: FileFacts) -> list[Finding]:
    """What an image and its mask say of each other; nothing where either is at fault itself."""
    if image.fault or mask.fault:
        return []
    height, width = mask.stored
    # The rule of `read_pair`: a mask of the stored size without its own orientation is turned too
    turn = mask.orientation
    if turn == 1 and mask.stored == image.stored:
        turn = image.orientation
    if turn >= 5:
        height, width = width, height
    if (height, width) == image.shown:
        return []
    detail = (
        f"the mask is {height} x {width} px (height x width), its image {pair.image.name} is"
        f" {image.shown[0]} x {image.shown[1]} px"
    )
    return [Finding("size-mismatch", pair.mask, detail)]


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
    sound = Picked.where(images, lambda image: not image.facts.fault)
    copies = [_copy(a, b, _exactly(a, b), 0, 1.0) for a, b in _same_pixels(sound)]
    for like in alike(Picked.each(sound, lambda image: image.facts.print)):
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
    pairs: list[tuple[Shown, Shown]] = []
    for group in _groups_of_same(images):
        if len(group) <= _ALL_PAIRS_UP_TO:
            pairs += combinations(group, 2)
        else:
            pairs += [(group[0], other) for other in group[1:]]
    return pairs


def _groups_of_same(images: Sequence[Shown]) -> Iterator[list[Shown]]:
    """Images of the same pixels, in groups of two or more; 4 bytes of each are held."""
    keys = array("I", (_short(image.facts.pixels) for image in images))
    ordered = np.sort(np.frombuffer(keys, dtype=np.uint32))
    twice = {int(key) for key in ordered[1:][ordered[1:] == ordered[:-1]]}
    del ordered
    groups: dict[str, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        if key in twice:
            groups[images[place].facts.pixels].append(place)
    for places in groups.values():
        if len(places) > 1:
            yield [images[place] for place in places]


def _short(digest: str) -> int:
    return int.from_bytes(hashlib.blake2b(digest.encode(), digest_size=4).digest(), "little")


def _exactly(a: Shown, b: Shown) -> str:
    return "same bytes" if a.facts.sha256 == b.facts.sha256 else "same pixels"


def _copy(a: Shown, b: Shown, how: str, bits: int, correlation: float) -> Copy:
    splits = {a.split, b.split} - {"any", "unclear"}
    return Copy(
        Path(a.facts.path), Path(b.facts.path), a.place, b.place, how, bits, correlation,
        leak=len(splits) == 2,
    )  # fmt: skip
