"""Faults put into a data set on purpose: wrong masks, near copies, and copies of scored images.

Only files below a folder of our own are written; the data set stays as it is. Which images are
meant depends on their number and order alone, so that every seed and every call has the same.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from decamo.data.inside.mask_bytes import stored_as
from decamo.data.pairs import Pair
from decamo.data.reading import read_labelled
from decamo.data.rules import MaskMeaning, Plane
from decamo.errors import SettingsError
from decamo.evaluation import CaseSet
from decamo.storage import make_folder, write_whole

__all__ = [
    "FaultyMasks",
    "MaskFault",
    "NearCopy",
    "PairsWithCopies",
    "add_leaks",
    "drawn_copies",
    "drawn_mask_faults",
    "faulty_mask",
    "scored_pairs",
]

Mask = npt.NDArray[np.bool_]

LEAKED = 1 / 3  # of the images of each set that is scored
_SHIFT = 0.1  # of the width
_GROWTH = 0.05  # of the shorter side
_QUALITY = 70  # of a copy's JPEG
_OURS = MaskMeaning(Plane.LEVELS, object=(255,), ground=(0,))


class MaskFault(StrEnum):
    """What is wrong with a mask."""

    INVERTED = "inverted"
    EMPTY = "empty"
    OTHER = "of another image"
    SHIFTED = "shifted"
    GROWN = "grown"


@dataclass(frozen=True)
class FaultyMasks:
    """Pairs of which some have a faulty mask.

    Attributes:
        pairs: all of them, in the order of the sound ones.
        faults: of those at fault, by their keys.
    """

    pairs: tuple[Pair, ...]
    faults: Mapping[str, MaskFault]


@dataclass(frozen=True)
class NearCopy:
    """A near copy of an image.

    Attributes:
        pair: the copy.
        original: of which it is one.
        mirrored: whether it is its mirror image.
    """

    pair: Pair
    original: Pair
    mirrored: bool


@dataclass(frozen=True)
class PairsWithCopies:
    """Pairs that train, of which some are copies.

    Attributes:
        pairs: all of them.
        copies: those that are copies.
    """

    pairs: tuple[Pair, ...]
    copies: tuple[NearCopy, ...]


def drawn_mask_faults(pairs: Sequence[Pair], share: float, folder: Path) -> FaultyMasks:
    """Give some pairs a faulty mask, as many of one kind as of any other.

    Args:
        pairs: sound ones.
        share: of them that get one.
        folder: where masks are written that do not lie there yet.

    Raises:
        SettingsError: the share of so few is none.
    """
    draw = np.random.default_rng(0)
    places = draw.permutation(len(pairs))[: _count_of(share, pairs)].tolist()
    others = draw.integers(1, len(pairs), len(places)).tolist()
    found, faults, kinds = list(pairs), dict[str, MaskFault](), tuple(MaskFault)
    for number, (place, step) in enumerate(zip(places, others, strict=True)):
        pair, donor = pairs[place], pairs[(place + step) % len(pairs)]
        kind = kinds[number % len(kinds)]
        found[place] = _with_fault(pair, donor, kind, folder / f"{place:05}-{_file_stem(pair)}")
        faults[found[place].key] = kind
    return FaultyMasks(tuple(found), faults)


def drawn_copies(pairs: Sequence[Pair], share: float, folder: Path) -> PairsWithCopies:
    """Take out some pairs and put near copies of as many others in their places.

    Args:
        pairs: no two of them alike.
        share: of them that is taken out, up to a half.
        folder: where copies are written that do not lie there yet.

    Raises:
        SettingsError: the share of so few is none.
    """
    count = min(_count_of(share, pairs), len(pairs) // 2)
    places = np.random.default_rng(1).permutation(len(pairs)).tolist()
    found, copies = list(pairs), list[NearCopy]()
    for number, place in enumerate(places[:count]):
        copy = _near_copy(pairs[places[count + number]], number, folder)
        found[place] = copy.pair
        copies.append(copy)
    return PairsWithCopies(tuple(found), tuple(copies))


def add_leaks(pairs: Sequence[Pair], sets: Sequence[CaseSet], folder: Path) -> PairsWithCopies:
    """Near copies of a third of each set that is scored join those that train.

    Args:
        pairs: that train.
        sets: that are scored.
        folder: where copies are written that do not lie there yet.
    """
    draw, copies = np.random.default_rng(2), list[NearCopy]()
    for cases in sets:
        held = scored_pairs([cases])
        for place in draw.permutation(len(held))[: max(round(LEAKED * len(held)), 1)].tolist():
            copies.append(_near_copy(held[place], len(copies), folder))
    return PairsWithCopies((*pairs, *(copy.pair for copy in copies)), tuple(copies))


def scored_pairs(sets: Iterable[CaseSet]) -> list[Pair]:
    """The pairs of sets that are scored."""
    return [case.pair for cases in sets for case in cases.cases if case.pair is not None]


def faulty_mask(kind: MaskFault, mask: Mask, other: Mask) -> Mask:
    """A mask with a fault.

    Args:
        kind: of the fault.
        mask: the right one, bool ``[H, W]``.
        other: that of another image, of any size.
    """
    match kind:
        case MaskFault.INVERTED:
            return ~mask
        case MaskFault.EMPTY:
            return np.zeros_like(mask)
        case MaskFault.OTHER:
            size = mask.shape[1], mask.shape[0]
            nearest = Image.Resampling.NEAREST
            return np.asarray(Image.fromarray(other.astype(np.uint8)).resize(size, nearest)) > 0
        case MaskFault.SHIFTED:
            return _shifted(mask)
        case MaskFault.GROWN:
            return _grown(mask)


def _shifted(mask: Mask) -> Mask:
    """By a tenth of the width to where there is more room: an object is never shifted away."""
    columns = np.flatnonzero(mask.any(axis=0))
    if not len(columns):
        return mask
    step, width = max(round(_SHIFT * mask.shape[1]), 1), mask.shape[1]
    right = columns[0] < width - 1 - columns[-1]
    moved = np.zeros_like(mask)
    if right:
        moved[:, step:] = mask[:, :-step]
    else:
        moved[:, :-step] = mask[:, step:]
    return moved


def _grown(mask: Mask) -> Mask:
    reach = max(round(_GROWTH * min(mask.shape)), 1)
    if not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask) <= reach)


def _with_fault(pair: Pair, donor: Pair, kind: MaskFault, base: Path) -> Pair:
    path = base.with_name(f"{base.name}-{_slug(kind)}.png")
    if not path.exists():
        mask, other = (read_labelled(one)[1].object for one in (pair, donor))
        _write_mask(path, faulty_mask(kind, mask, other), pair.image)
    # What a score depends on is told by keys: this pair is not the sound one.
    named = replace(pair, mask=path, stem=f"{pair.stem}@{_slug(kind)}")
    return replace(named, rule=replace(pair.rule, mask=_OURS))


def _near_copy(original: Pair, number: int, folder: Path) -> NearCopy:
    """As a JPEG of quality 70; every second one mirrored, with its mask."""
    mirrored = number % 2 == 1
    base = folder / f"{number:05}-{_file_stem(original)}"
    image, mask = base.with_name(f"{base.name}.jpg"), base.with_name(f"{base.name}.png")
    if not (image.exists() and mask.exists()):
        pixels, labels = read_labelled(original)
        step = -1 if mirrored else 1
        make_folder(folder)
        photo = Image.fromarray(np.ascontiguousarray(pixels[:, ::step]))
        write_whole(image, _encoded(photo, "JPEG"))
        _write_mask(mask, labels.object[:, ::step], image)
    rule = replace(original.rule, mask=_OURS, scale=None)
    stem = f"{original.stem}@copy"
    pair = replace(original, image=image, mask=mask, stem=stem, split="train", rule=rule)
    return NearCopy(pair, original, mirrored)


def _write_mask(path: Path, mask: Mask, image: Path) -> None:
    """As the image is stored, whose orientation then turns both upright."""
    make_folder(path.parent)
    stored = stored_as(image)[1].back(mask)
    write_whole(path, _encoded(Image.fromarray(stored.astype(np.uint8) * 255), "PNG"))


def _encoded(picture: Image.Image, form: str) -> bytes:
    held = io.BytesIO()
    picture.save(held, form, quality=_QUALITY)
    return held.getvalue()


def _count_of(share: float, pairs: Sequence[Pair]) -> int:
    count = round(share * len(pairs))
    if not count or len(pairs) < 2:
        got = f"got {share:g}, which is none of {len(pairs)} images"
        raise SettingsError("--share", got, "give a larger share, or add images")
    return count


def _file_stem(pair: Pair) -> str:
    return re.sub(r"[^\w.-]+", "-", f"{pair.dataset}-{pair.stem}")


def _slug(kind: MaskFault) -> str:
    return kind.value.replace(" ", "-")
