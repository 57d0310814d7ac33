"""What a run remembers of its images, and how the present ones are split by that.

An image is known by its content: where its folder is mounted and what it is called says nothing. So
a run that goes on under another path has the same images, in the same order and under the names by
which it met them first. Where the data did change, one rule comes before all others: *no image that
has trained is held out*. Then what was held out stays so, and of images that the run has never seen
the usual share is held out.

What the content does not tell is taken from names: a file that was saved anew has other bytes and
the name that it had.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from decamo.data.census import Entry
from decamo.data.fingerprints import difference_hash
from decamo.data.holdout import Split, hold_out
from decamo.errors import DataError
from decamo.settings.words import verb

__all__ = ["Followed", "Known", "SplitRecord", "follow", "former_names", "record_of"]

_ALIKE = 4  # bits of 64 in which the hashes of a picture saved anew may differ


@dataclass(frozen=True)
class Known:
    """An image that a run has met.

    Attributes:
        key: ``dataset/name``, as the run met it first.
        image: digest of the image file; empty where it is not known.
        mask: digest of the mask file; likewise.
        look: difference hash, 16 hex digits; likewise.
        held: whether it was held out and has never trained.
        gone: whether it was no longer there when the run last looked.
    """

    key: str
    image: str = ""
    mask: str = ""
    look: str = ""
    held: bool = False
    gone: bool = False


@dataclass(frozen=True)
class SplitRecord:
    """All images that a run has met: those that train, in their order, then the others."""

    images: tuple[Known, ...] = ()

    @property
    def content(self) -> str:
        """12 hex digits that name the present images and their sides, whatever they are called."""
        present = sorted((k.image, k.mask, k.held) for k in self.images if not k.gone)
        return hashlib.sha256(repr(present).encode()).hexdigest()[:12]

    def to_plain(self) -> dict[str, Any]:
        """Plain values, for a checkpoint: 0.1 kB an image."""
        return {
            "key": [known.key for known in self.images],
            "image": [known.image for known in self.images],
            "mask": [known.mask for known in self.images],
            "look": [known.look for known in self.images],
            "side": "".join("tThH"[2 * known.held + known.gone] for known in self.images),
        }

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> "SplitRecord":
        """The inverse of :meth:`to_plain`."""
        columns = (plain[name] for name in ("key", "image", "mask", "look", "side"))
        return SplitRecord(
            tuple(
                Known(key, image, mask, look, side in "hH", side in "TH")
                for key, image, mask, look, side in zip(*columns, strict=True)
            )
        )


@dataclass(frozen=True)
class Followed:
    """The present images, split as a run's record has it.

    Attributes:
        split: of them, each under the key that the run knows it by.
        record: of all images met so far.
        lines: what became of the images since, for people; empty where they are the same.
        same: whether the images held out are the very same.
    """

    split: Split
    record: SplitRecord
    lines: tuple[str, ...] = field(default=())
    same: bool = True


def record_of(split: Split, before: Iterable[Known] = ()) -> SplitRecord:
    """What is to be remembered of a split, and of images met before that are gone."""
    return SplitRecord(
        (
            *(_known(entry, held=False) for entry in split.train),
            *(_known(entry, held=True) for entry in split.val),
            *(replace(known, gone=True) for known in before),
        )
    )


def follow(
    entries: Sequence[Entry],
    record: SplitRecord,
    fraction: float,
    *,
    before: float,
    groups: Sequence[Sequence[str]] = (),
) -> Followed:
    """Split the present images as the record has it.

    Args:
        entries: of the present training images.
        record: of the run.
        fraction: share of images to hold out, in (0, 1).
        before: the share that the run had; a smaller one now lets some of those held out train.
        groups: present keys of neighbours: new ones go to where known ones are.

    Raises:
        DataError: every image has trained, or none would train.
    """
    ordered = sorted(entries, key=lambda entry: entry.pair.key)
    met = _met(ordered, record.images)
    now = _under_known_names(ordered, met, record.images)
    together = _positions(ordered, groups)
    sides = _sides(met, record.images, together)
    in_turn = sorted(range(len(now)), key=lambda at: (met[at] is None, met[at] or 0, at))
    trains = [now[at] for at in in_turn if sides[at] is False]
    held = [now[at] for at in in_turn if sides[at] is True]
    fresh = [now[at] for at in in_turn if sides[at] is None]
    renamed = [[now[at].pair.key for at in group] for group in together]
    if fraction < before:
        less = _share(held, max(1, round(fraction * len(now))), renamed)
        trains, held = [*trains, *less.train], list(less.val)
    more = _share(fresh, max(round(fraction * len(fresh)), 0 if held else 1), renamed)
    split = Split((*trains, *more.train), (*held, *more.val))
    _refuse_one_sided(split)
    gone = [known for at, known in enumerate(record.images) if at not in set(met)]
    old = sorted((k.image, k.mask) for k in record.images if k.held and not k.gone)
    same = old == sorted((entry.image_digest, entry.mask_digest) for entry in split.val)
    lines = _lines(ordered, met, record.images, split)
    if fraction > before:
        lines = (
            *lines,
            f"--val-fraction {before:g} -> {fraction:g} holds out no image that trained",
        )
    return Followed(split, record_of(split, gone), lines, same)


def former_names(entries: Iterable[Entry], record: SplitRecord) -> dict[str, str]:
    """Name of a data set now -> the name that most of its images had in the run."""
    known = {k.image: k.key.partition("/")[0] for k in record.images if k.image}
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in entries:
        if entry.image_digest in known:
            votes[entry.pair.dataset][known[entry.image_digest]] += 1
    return {name: counts.most_common(1)[0][0] for name, counts in votes.items()}


def _known(entry: Entry, *, held: bool) -> Known:
    look = difference_hash(entry.print) if entry.print else ""
    return Known(entry.pair.key, entry.image_digest, entry.mask_digest, look, held)


def _met(entries: Sequence[Entry], images: Sequence[Known]) -> list[int | None]:
    """For each entry the position of the image that it is; None for one never met."""
    found: list[int | None] = [None] * len(entries)
    free = set(range(len(images)))
    ways: list[tuple[Callable[[Entry], Hashable], Callable[[Known], Hashable], bool]] = [
        (
            lambda e: (e.image_digest, e.mask_digest, e.pair.key),
            lambda k: (k.image, k.mask, k.key) if k.image else None,
            False,
        ),
        (
            lambda e: (e.image_digest, e.mask_digest),
            lambda k: (k.image, k.mask) if k.image else None,
            False,
        ),
        (lambda e: e.image_digest or None, lambda k: k.image or None, False),
        (lambda e: e.pair.key, lambda k: k.key, True),
        (lambda e: e.pair.stem, lambda k: k.key.partition("/")[2], True),
    ]
    for of_entry, of_known, alone in ways:
        lefts, rights = defaultdict(list), defaultdict(list)
        for at, entry in enumerate(entries):
            if found[at] is None:
                lefts[of_entry(entry)].append(at)
        for at in sorted(free):
            rights[of_known(images[at])].append(at)
        for name in lefts.keys() & rights.keys() - {None}:
            left, right = lefts[name], rights[name]
            if not alone or len(left) == len(right) == 1:
                for one, other in zip(left, right, strict=False):
                    found[one] = other
                    free.discard(other)
    _by_look(entries, images, found, free)
    return found


def _by_look(
    entries: Sequence[Entry], images: Sequence[Known], found: list[int | None], free: set[int]
) -> None:
    """Pictures that were saved anew under another name."""
    lefts = [(at, e.print) for at, e in enumerate(entries) if found[at] is None and e.print]
    rights = [at for at in sorted(free) if images[at].look]
    if not lefts or not rights:
        return
    hashes = np.array([int(images[at].look, 16) for at in rights], dtype=np.uint64)
    for at, print_ in lefts:
        bits = np.bitwise_count(hashes ^ np.uint64(int(difference_hash(print_), 16)))
        best = int(bits.argmin())
        if bits[best] <= _ALIKE and (bits == bits[best]).sum() == 1 and rights[best] in free:
            found[at] = rights[best]
            free.discard(rights[best])


def _under_known_names(
    entries: Sequence[Entry], met: Sequence[int | None], images: Sequence[Known]
) -> list[Entry]:
    """The entries with the names that the run knows them by; new ones keep theirs if they can."""
    taken = {images[at].key for at in met if at is not None}
    named = []
    for entry, at in zip(entries, met, strict=True):
        if at is not None:
            dataset, _, stem = images[at].key.partition("/")
            named.append(replace(entry, pair=replace(entry.pair, dataset=dataset, stem=stem)))
            continue
        pair = entry.pair
        while pair.key in taken:
            pair = replace(pair, dataset=f"{pair.dataset}+")
        taken.add(pair.key)
        named.append(replace(entry, pair=pair))
    return named


def _positions(entries: Sequence[Entry], groups: Sequence[Sequence[str]]) -> list[list[int]]:
    at = {entry.pair.key: number for number, entry in enumerate(entries)}
    return [[at[key] for key in group if key in at] for group in groups]


def _sides(
    met: Sequence[int | None], images: Sequence[Known], groups: Iterable[Sequence[int]]
) -> list[bool | None]:
    """For each entry whether it is held out, as far as the past tells; None where it is open."""
    sides = [None if at is None else images[at].held for at in met]
    for group in groups:
        known = {sides[at] for at in group} - {None}
        for at in group:
            if sides[at] is None and known:
                sides[at] = False not in known  # beside one that has trained it trains
    return sides


def _share(entries: Sequence[Entry], count: int, groups: Sequence[Sequence[str]]) -> Split:
    """So many of the entries held out, each side in the order given."""
    if count >= len(entries):
        return Split((), tuple(entries))
    if count <= 0:
        return Split(tuple(entries), ())
    keys = {entry.pair.key for entry in entries}
    inside = [[key for key in group if key in keys] for group in groups]
    try:
        held = hold_out(entries, count / len(entries), [g for g in inside if len(g) > 1]).val
    except DataError:  # all of them are neighbours: they are on one side, as neighbours are
        return Split(tuple(entries), ())
    chosen = {entry.pair.key for entry in held}
    return Split(
        tuple(entry for entry in entries if entry.pair.key not in chosen),
        tuple(entry for entry in entries if entry.pair.key in chosen),
    )


def _refuse_one_sided(split: Split) -> None:
    if not split.val:
        raise DataError(
            "--dataset-path",
            f"all {len(split.train)} images have trained in this run, and what it held out is gone",
            "add the images that were held out, or new ones, or begin another run",
        )
    if not split.train:
        raise DataError(
            "--dataset-path",
            f"all {len(split.val)} images are held out in this run, and what trained is gone",
            "add the images that trained, or begin another run",
        )


def _lines(
    entries: Sequence[Entry],
    met: Sequence[int | None],
    images: Sequence[Known],
    split: Split,
) -> tuple[str, ...]:
    """What became of the images, for people."""
    pairs = [(e, images[at]) for e, at in zip(entries, met, strict=True) if at is not None]
    new = len(entries) - len(pairs)
    present = {at for at in met if at is not None}
    anew = [k for e, k in pairs if k.image and k.image != e.image_digest]
    redrawn = [k for e, k in pairs if k.mask and k.mask != e.mask_digest and k not in anew]
    counts = [
        (new, "new"),
        (sum(not k.gone for at, k in enumerate(images) if at not in present), "gone"),
        (sum(known.gone for _, known in pairs), "back"),
        (len(anew), "saved anew (other bytes of the same name or look)"),
        (len(redrawn), "with another mask"),
    ]
    said = [f"{count} {what}" for count, what in counts if count]
    if said:
        known = {k.key for k in images}
        fresh = sum(entry.pair.key not in known for entry in split.val)
        also = f"; {fresh} of the new ones {verb(fresh)} held out" if fresh else ""
        line = f"the images changed since the checkpoint: {', '.join(said)}{also}"
        return (f"{line}; none that has trained is held out",)
    names = Counter(
        (k.key.partition("/")[0], e.pair.dataset) for e, k in pairs if k.key != e.pair.key
    )
    moved = [f"{old} is now {new}" for old, new in sorted(names) if old != new]
    if moved or names:
        return (
            f"the images are those of the checkpoint{': ' * bool(moved)}{', '.join(moved[:3])}",
        )
    return ()
