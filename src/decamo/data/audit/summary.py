"""Facts of one split of one data set -> counts, histograms and quantiles."""

import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from decamo.data.audit.inventory import Holding
from decamo.data.audit.look import FileFacts
from decamo.data.census import Entry

__all__ = ["QUANTILES", "SIZE_EDGES", "AuditSummary", "size_label", "summarize_holding"]

# Shares of the image that the object covers; most camouflaged objects are below a tenth
SIZE_EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)

_SUB_CLASS = re.compile(r"COD10K-(?:CAM|NonCAM)-\d+-[A-Za-z]+-\d+-([A-Za-z]+)-", re.IGNORECASE)


@dataclass(frozen=True)
class AuditSummary:
    """One split of one data set, in numbers.

    Attributes:
        name: of the data set.
        split: ``train``, ``test``, ``val`` or ``any``.
        place: its two folders.
        images: files.
        masks: files.
        pairs: images with a mask.
        usable: pairs that can be read and fit.
        bytes: of all files.
        noncam: usable pairs without an object, by name or by mask.
        super_classes: usable pairs by COD10K's super class.
        sub_classes: usable pairs by COD10K's sub class.
        sizes: usable pairs with an object by the share it covers, one count for each bin between
            0, ``SIZE_EDGES`` and 1; the lower edge belongs to the bin.
        heights: of the images as displayed, px, at ``QUANTILES``.
        widths: likewise.
        megapixels: likewise.
    """

    name: str
    split: str
    place: str
    images: int
    masks: int
    pairs: int
    usable: int
    bytes: int
    noncam: int
    super_classes: Mapping[str, int] = field(default_factory=dict)
    sub_classes: Mapping[str, int] = field(default_factory=dict)
    sizes: tuple[int, ...] = ()
    heights: tuple[float, ...] = ()
    widths: tuple[float, ...] = ()
    megapixels: tuple[float, ...] = ()

    @property
    def noncam_share(self) -> float:
        """Share of the usable pairs without an object, in [0, 1]."""
        return self.noncam / self.usable if self.usable else 0.0


def size_label(index: int) -> str:
    """A bin of object sizes in words: ``1-2 %``."""
    edges = [f"{edge:.0%}".rstrip("%") for edge in (0, *SIZE_EDGES, 1)]
    return f"{edges[index]}-{edges[index + 1]} %"


def summarize_holding(
    holding: Holding, facts: Mapping[str, FileFacts], entries: Sequence[Entry]
) -> AuditSummary:
    """The numbers of one holding.

    Args:
        holding: what lies there.
        facts: of its files, by path.
        entries: its usable pairs.
    """
    empty, shares, heights, widths = 0, array("d"), array("I"), array("I")
    classes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for entry in entries:  # each is looked up once
        empty += entry.foreground == 0 or entry.pair.noncam_by_name
        if entry.foreground > 0:
            shares.append(entry.foreground)
        heights.append(entry.height)
        widths.append(entry.width)
        classes[entry.pair.super_class] += 1
        kinds[_sub_class(entry.pair.stem)] += 1
    bins = np.searchsorted(SIZE_EDGES, shares, side="right")
    counts = np.bincount(bins, minlength=len(SIZE_EDGES) + 1)
    return AuditSummary(
        name=holding.name,
        split=holding.split,
        place=holding.place,
        images=len(holding.images),
        masks=len(holding.masks),
        pairs=len(holding.pairs),
        usable=len(entries),
        bytes=sum(facts[str(path)].size for path in chain(holding.images, holding.masks)),
        noncam=empty,
        super_classes=_tally(classes),
        sub_classes=_tally(kinds),
        sizes=tuple(int(count) for count in counts),
        heights=_quantiles(array("q", heights)),
        widths=_quantiles(array("q", widths)),
        megapixels=_quantiles(
            array("d", (h * w / 1e6 for h, w in zip(heights, widths, strict=True)))
        ),
    )


def _sub_class(stem: str) -> str:
    match = _SUB_CLASS.match(stem)
    return match.group(1) if match else ""


def _tally(names: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in names.most_common() if name}


def _quantiles(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(q) for q in np.quantile(values, QUANTILES)) if values else ()
