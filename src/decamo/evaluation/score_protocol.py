"""What a score depends on, and the fingerprints that say whether two are of the same images."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from decamo import __version__
from decamo.data.packed_names import PackedNames
from decamo.evaluation.convention import Convention
from decamo.evaluation.measuring import ImageResult
from decamo.storage.spilled import Picked

__all__ = ["Protocol", "head_of", "in_order_of_stems", "prints_of"]


@dataclass(frozen=True)
class Protocol:
    """All that a score depends on, beside the method and its weights.

    Attributes:
        names: 12 hex digits of the scored images' names.
        masks: 12 hex digits of the masks' sizes and pixels.
        images: how many were scored.
        dropped: how many the NonCAM policy left out.
        unreadable: how many were left out because mask or image cannot be read.
        missing: how many had no map and were scored as finding nothing.
        resized: how many maps had another size than their mask.
        split: ``test`` or ``train``; empty for plain folders.
        noncam: a value of :class:`~decamo.evaluation.convention.NonCam`.
        convention: a value of :class:`~decamo.evaluation.convention.Convention`.
        size: the size at which is scored.
        threshold: of the binary measures, and what ``mean``, ``max`` and ``adaptive`` mean.
        stretch: whether maps are stretched to [0, 1] by their own extremes.
        resize: how maps of other sizes are treated.
        source: ``network`` or ``maps``.
        reading: how the maps' files were read where they are more than 8-bit grey levels.
        meaning: what the masks' values mean, where it is not read off each file alone.
        weights: ``average`` (moving average) or ``raw``, with the epoch; empty for maps.
        network_px: side of the square the network sees; 0 for maps.
        precision: number format of the forward pass; empty for maps.
        tta: test-time augmentation.
        decision: ``half`` where object is what is more likely than not, ``iou`` where each map was
            moved to the region of the best expected IoU.
        levels: grey levels of the maps that were scored.
        decamo: version.
    """

    names: str
    masks: str
    images: int
    dropped: int
    unreadable: int
    missing: int
    resized: int
    split: str
    noncam: str
    convention: str = Convention.PLAIN
    size: str = "native size of each mask"
    threshold: str = (
        "0.5; mean and max over 256 thresholds 0/255 ... 255/255 of the mean curve; adaptive is "
        "twice the map's mean, at most 1"
    )
    stretch: bool = False
    resize: str = "never"
    source: str = "maps"
    reading: str = ""
    meaning: str = ""
    weights: str = ""
    network_px: int = 0
    precision: str = ""
    tta: str = "none"
    decision: str = "half"
    levels: int = 256
    decamo: str = __version__

    def plain(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def head_of(protocols: Iterable[tuple[str, Protocol]]) -> list[str]:
    """Lines for the head of a table of several data sets.

    Args:
        protocols: of scores by one convention, each with the name of its data set.

    Returns:
        The convention; then what the masks of each data set mean, where some have a meaning that is
        not read off each file alone.
    """
    by_set = dict(protocols)
    first = next(iter(by_set.values()))
    meanings = [one.meaning for one in by_set.values()]
    convention = Convention(first.convention)
    head = convention.head(
        stretch=first.stretch,
        noncam=first.noncam,
        by_values=all(meanings) if len(set(map(bool, meanings))) == 1 else None,
    )
    if not any(meanings):
        return [head]
    sign = ">" if convention is Convention.PUBLISHED else ">="
    return [
        head,
        *(one.meaning or f"masks of {name}: object {sign} 128" for name, one in by_set.items()),
    ]


def prints_of(results: Sequence[ImageResult]) -> tuple[str, str]:
    """Fingerprints of the images' names and of the masks, whatever their order and folders.

    Returns:
        12 hex digits each. The second changes with any pixel of any mask.
    """
    ordered = in_order_of_stems(results)
    return _hash(r.stem for r in ordered), _hash(f"{r.stem} {r.digest}" for r in ordered)


def in_order_of_stems(results: Sequence[ImageResult]) -> Sequence[ImageResult]:
    """The results in the order of their stems; they nearly always are."""
    stems = PackedNames(result.stem for result in results)
    if all(a <= b for a, b in pairwise(stems)):
        return results
    return Picked.those(results, sorted(range(len(stems)), key=stems.__getitem__))


def _hash(lines: Iterable[str]) -> str:
    found, between = hashlib.sha256(), b""
    for line in lines:
        found.update(between + line.encode(errors="surrogateescape"))
        between = b"\n"
    return found.hexdigest()[:12]
