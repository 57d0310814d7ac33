"""Training images that are kept from training, to choose the best checkpoint by."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from decamo.data.census import Entry
from decamo.data.neighbours import find_neighbours
from decamo.data.pairs import Pair
from decamo.errors import DataError

__all__ = ["Split", "content_fingerprint", "fingerprint", "hold_out"]

# Shares of the image that an object covers. Measured on a tenth of the training images, the median
# is 5.4 % in COD10K and 14.6 % in CAMO, and 90 % lie below 17 % and 30 %.
_SIZE_BINS = (0.05, 0.20)
_FEWEST = 0.5  # of the images asked for; with fewer, a group is held out though it is too large


@dataclass(frozen=True)
class Split:
    """Training and validation entries: no pair in both, none lost, each in the order of keys."""

    train: tuple[Entry, ...]
    val: tuple[Entry, ...]


def hold_out(
    entries: Sequence[Entry], fraction: float, groups: Sequence[Sequence[str]] | None = None
) -> Split:
    """Hold out a share of the images, stratified by data set and by size of the object.

    Size bins: empty mask, below 5 %, 5 % to 20 %, above 20 % of the image. Each stratum gives its
    exact share, rounded by largest remainders (Hamilton's method), so that the total is
    ``round(n * fraction)`` and no stratum is off by one or more. Within a stratum the SHA-256 of
    the file's stem decides, so that the choice depends neither on paths nor on the order of
    entries, and is the same on every machine.

    A group of neighbours is never parted. Where the choice above would part one, it comes whole or
    not at all: whole while that brings the number held out nearer to what it should be, in the
    order of the SHA-256 of their names; what is then lacking is filled up from the strata that lost
    it. Where no group would be parted, groups change nothing. Where all images are one group, it
    is parted: there is no other way to choose a checkpoint.

    Of so few images that the share of them rounds to none or to all, each side gets one.

    Args:
        entries: of the training images.
        fraction: share to hold out, in (0, 1).
        groups: keys of images that stay together; by default those that
            :func:`decamo.data.neighbours.find_neighbours` finds.

    Raises:
        DataError: fewer than two images, or no share between 0 and 1.
    """
    total = round(len(entries) * fraction)
    if not 0 < total < len(entries):
        if len(entries) < 2 or not 0 < fraction < 1:
            raise DataError(
                "--val-fraction",
                f"{fraction:g} of {len(entries)} images cannot be held out so that each side has"
                " one",
                "add images: at least two are needed"
                if len(entries) < 2
                else "give a share between 0 and 1",
            )
        total = min(max(total, 1), len(entries) - 1)
    strata: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        strata[_stratum(entry)].append(entry)
    held: set[str] = set()
    for stratum, count in _shares({k: len(v) for k, v in strata.items()}, total).items():
        ranked = sorted(strata[stratum], key=_rank)
        held.update(entry.pair.key for entry in ranked[:count])
    if groups is None:
        groups = find_neighbours(entries).groups
    held = _unparted(entries, held, groups)
    ordered = sorted(entries, key=lambda entry: entry.pair.key)
    return Split(
        train=tuple(entry for entry in ordered if entry.pair.key not in held),
        val=tuple(entry for entry in ordered if entry.pair.key in held),
    )


def _unparted(
    entries: Sequence[Entry], held: set[str], groups: Sequence[Sequence[str]]
) -> set[str]:
    """The keys held out, changed so that no group is in part among them."""
    by_key = {entry.pair.key: entry for entry in entries}
    whole = [[key for key in group if key in by_key] for group in groups]
    parted = [group for group in whole if 0 < len(held.intersection(group)) < len(group)]
    if not parted:
        return held
    kept = held.difference(*parted)
    lacking = len(held) - len(kept)
    parted.sort(key=lambda members: min(_rank(by_key[key]) for key in members))
    for members in parted:
        # never all of them, or nothing would train
        fits = len(kept) + len(members) < len(by_key)
        if fits and abs(lacking - len(members)) < lacking:
            kept.update(members)
            lacking -= len(members)
    if lacking > 0:
        lost = Counter(_stratum(by_key[key]) for key in held - kept)
        grouped = {key for group in whole for key in group}
        free = [e for e in entries if e.pair.key not in grouped and e.pair.key not in kept]
        for entry in sorted(free, key=lambda e: (-lost[_stratum(e)], _stratum(e), _rank(e))):
            if lost[_stratum(entry)] and lacking:
                kept.add(entry.pair.key)
                lost[_stratum(entry)] -= 1
                lacking -= 1
    if len(kept) < _FEWEST * len(held):
        smallest: list[str] = min(parted, key=lambda members: (len(members), members))
        kept.update(smallest)
    return kept if len(kept) < len(by_key) else held


def content_fingerprint(entries: Iterable[Entry]) -> str:
    """12 hex digits that name a set of pairs by the bytes of their files.

    Neither order, names nor folders change it; a mask that was drawn anew does.
    """
    contents = "\n".join(sorted(f"{e.image_digest} {e.mask_digest}" for e in entries))
    return hashlib.sha256(contents.encode()).hexdigest()[:12]


def fingerprint(pairs: Iterable[Pair]) -> str:
    """12 hex digits that name a set of pairs by their keys, whatever their order and folders.

    Checkpoints up to format 2 know their validation images by it.
    """
    keys = "\n".join(sorted(pair.key for pair in pairs))
    return hashlib.sha256(keys.encode(errors="surrogateescape")).hexdigest()[:12]


def _stratum(entry: Entry) -> tuple[str, int]:
    return entry.pair.dataset, _size_bin(entry.foreground)


def _size_bin(foreground: float) -> int:
    return 0 if foreground == 0 else 1 + sum(foreground >= edge for edge in _SIZE_BINS)


def _shares(sizes: dict[tuple[str, int], int], total: int) -> dict[tuple[str, int], int]:
    """Whole numbers that add up to ``total`` and are each within 1 of the proportional share."""
    everything = sum(sizes.values())
    shares = {stratum: size * total // everything for stratum, size in sizes.items()}
    left = total - sum(shares.values())
    by_remainder = sorted(sizes, key=lambda s: (-(sizes[s] * total % everything), s))
    for stratum in by_remainder[:left]:
        shares[stratum] += 1
    return shares


def _rank(entry: Entry) -> tuple[str, str]:
    stem = entry.pair.stem.encode(errors="surrogateescape")  # a name need not be UTF-8
    return hashlib.sha256(stem).hexdigest(), entry.pair.key
