"""Facts -> findings: what a person should know about a data set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from decamo.data.audit.look import FileFacts
from decamo.data.pairs import Pair

__all__ = ["FULL", "SEVERITIES", "Finding", "file_findings", "pair_findings", "severity_of"]

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
