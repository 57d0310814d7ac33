"""Photographs that train under labels of a network, among pairs and in a run's record of images.

They bear the name of one data set of their own. They are never held out, and what a run remembers
of the others is as if they were not there: no share of the labelled images depends on them.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from decamo.data.census import Entry
from decamo.data.fingerprints import alike
from decamo.data.holdout import Split
from decamo.data.pairs import Pair
from decamo.data.rules import MaskMeaning, PixelScale, Plane, ReadingRule
from decamo.data.split_record import Known, SplitRecord, record_of
from decamo.settings.words import counted

__all__ = [
    "PSEUDO_LABELS",
    "copies_among",
    "in_known_order",
    "is_pseudo",
    "labelled_record",
    "labels_changed",
    "present_labels",
    "pseudo_pair",
    "with_pseudo_labels",
]

PSEUDO_LABELS = "pseudo-labels"
"""Name of the data set that they are, and of the folder of their masks."""

_MASKS = MaskMeaning(Plane.LEVELS, object=(255,), ground=(0,))


def pseudo_pair(photograph: Path, mask: Path, scale: PixelScale | None, max_pixels: int) -> Pair:
    """A photograph and its label.

    Args:
        photograph: its file.
        mask: 0 and 255, of the photograph's stored size.
        scale: of photographs of more than 8 bits; None where there are none.
        max_pixels: the most that a file may have.
    """
    rule = ReadingRule(_MASKS, scale, max_pixels)
    return Pair(photograph, mask, mask.stem, PSEUDO_LABELS, "train", rule)


def is_pseudo(known: Known) -> bool:
    """Whether a run met an image under a label of a network."""
    return known.key.startswith(f"{PSEUDO_LABELS}/")


def present_labels(record: SplitRecord | None) -> dict[str, str]:
    """Digests of image and mask of each pseudo-label that a run trained with when it last looked.

    Args:
        record: of the run; None where it remembers no image.
    """
    images = () if record is None else record.images
    return {known.image: known.mask for known in images if is_pseudo(known) and not known.gone}


def labels_changed(before: SplitRecord | None, now: SplitRecord) -> str:
    """How the pseudo-labels that train differ from those of a checkpoint; empty where they do not.

    Args:
        before: the checkpoint's record; None where it remembers no image.
        now: of the present images.
    """
    old, new = present_labels(before), present_labels(now)
    if old == new:
        return ""
    if old.keys() == new.keys():
        others = sum(new[image] != mask for image, mask in old.items())
        return f"{counted(others, 'pseudo-label')} drawn otherwise"
    if not new:
        return f"{counted(len(old), 'pseudo-label')} -> none"
    return f"{len(old) or 'no'} -> {counted(len(new), 'pseudo-label')}"


def labelled_record(
    record: SplitRecord, entries: Sequence[Entry]
) -> tuple[SplitRecord, tuple[Known, ...]]:
    """What a run remembers of labelled images, and of the others.

    Args:
        record: of the run.
        entries: of the present labelled images. One that has trained under a pseudo-label has
            trained, so that it is none to be held out.
    """
    met = {known.image for known in record.images if not is_pseudo(known)}
    now = {entry.image_digest: entry for entry in entries if entry.image_digest}
    own: list[Known] = []
    others: list[Known] = []
    for known in record.images:
        if not is_pseudo(known):
            own.append(known)
        elif known.image in now and known.image not in met:
            entry = now[known.image]
            own.append(replace(known, key=entry.pair.key, mask=entry.mask_digest))
        else:
            others.append(known)
    return SplitRecord(tuple(own)), tuple(others)


def with_pseudo_labels(
    record: SplitRecord, trains: int, joined: Sequence[Entry], before: Sequence[Known]
) -> SplitRecord:
    """A record of labelled images, and those that train under pseudo-labels behind its first ones.

    Args:
        record: of labelled images; those that train come first.
        trains: how many they are.
        joined: that train under pseudo-labels, in their order.
        before: met under pseudo-labels earlier.
    """
    now = {entry.image_digest for entry in joined}
    gone = [replace(known, gone=True) for known in before if known.image not in now]
    fresh = record_of(Split(tuple(joined), ())).images
    return SplitRecord((*record.images[:trains], *fresh, *record.images[trains:], *gone))


def in_known_order(entries: Sequence[Entry], before: Sequence[Known]) -> list[Entry]:
    """Entries in the order in which a run met their images, then new ones by their names."""
    place = {known.image: number for number, known in enumerate(before)}
    last = len(place)
    return sorted(entries, key=lambda e: (place.get(e.image_digest, last), e.pair.key))


def copies_among(entries: Sequence[Entry], others: Sequence[Entry]) -> set[int]:
    """Places of entries that are copies, or near copies, of one of some other images."""
    bytes_of = {other.image_digest for other in others if other.image_digest}
    found = {at for at, entry in enumerate(entries) if entry.image_digest in bytes_of}
    compared = [other.print for other in others if other.print]
    first = len(compared)
    places = [at for at, entry in enumerate(entries) if entry.print]
    compared += [one for entry in entries if (one := entry.print)]
    likes = alike(compared)
    return found | {places[one.right - first] for one in likes if one.left < first <= one.right}
