"""The split of a checkpoint that remembers no image, only a print of the names it held out.

Checkpoints up to format 2 are such. Their split is found again and proven by that print: from the
present names, or, where folders were renamed since, from the paths that the run was given or from
what its own census saw. Where none leads to the print, it stays unknown which images have trained,
and that is said.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from decamo.data.census import Entry, apply_noncam
from decamo.data.fingerprints import difference_hash
from decamo.data.holdout import Split, fingerprint, hold_out
from decamo.data.pairs import Pair
from decamo.data.split_record import Known, SplitRecord, record_of
from decamo.errors import DataError

__all__ = ["earlier_record"]

# Names of folders that named no data set when these checkpoints were written.
_PLAIN = frozenset(
    [
        "image",
        "imgs",
        "images",
        "im",
        "img",
        "train",
        "training",
        "trainval",
        "traindataset",
        "trainingdataset",
        "trainvaldataset",
        "test",
        "testing",
        "testdataset",
        "testingdataset",
        "val",
        "valid",
        "validation",
        "valdataset",
    ]
)


def earlier_record(
    entries: Sequence[Entry],
    fraction: float,
    held_out: str,
    *,
    seen: Mapping[str, object],
    roots: Iterable[str],
    noncam: str,
) -> tuple[SplitRecord, bool]:
    """What a run of an earlier format would remember of its images.

    Args:
        entries: of the present training images.
        fraction: share that the run held out.
        held_out: the print of the names that it held out (``fingerprint``).
        seen: the cache of the run's census.
        roots: the data sets that the run was given.
        noncam: the run's policy for images without an object.

    Returns:
        the record, and whether it is proven.
    """
    now = _split(entries, fraction)
    if now is not None and fingerprint(e.pair for e in now.val) == held_out:
        return record_of(now), True
    roots = tuple(roots)
    if now is not None and len({entry.pair.dataset for entry in entries}) == 1:
        for name in {part for root in roots for part in PurePath(root).parts}:
            named = _called(now, name)  # of a single set the split does not depend on its name
            if fingerprint(e.pair for e in named.val) == held_out:
                return record_of(named), True
    known = list(_entries_seen(seen))
    under = [entry for entry in known if _is_under(entry.pair.image, roots)]
    for old in (under, known):
        then = _split(_of_policy(old, noncam), fraction)
        if then is not None and fingerprint(e.pair for e in then.val) == held_out:
            return _record_then(then, entries), True
    return (SplitRecord() if now is None else record_of(now)), False


def _split(entries: Sequence[Entry], fraction: float) -> Split | None:
    try:
        return hold_out(entries, fraction, groups=())
    except DataError:
        return None


def _called(split: Split, name: str) -> Split:
    """The split, had its data set been called so."""
    train, val = (
        tuple(replace(entry, pair=replace(entry.pair, dataset=name)) for entry in side)
        for side in (split.train, split.val)
    )
    return Split(train, val)


def _of_policy(entries: Sequence[Entry], noncam: str) -> Sequence[Entry]:
    try:
        return apply_noncam(entries, noncam)[0]
    except DataError:
        return ()


def _entries_seen(seen: Mapping[str, object]) -> Iterable[Entry]:
    """The pairs that a census of that time has looked at, under the names that they had."""
    for name, held in seen.items():
        image, _, mask = name.partition("|")
        if isinstance(held, dict):
            size, share = held.get("size"), held.get("foreground")
        elif isinstance(held, list) and len(held) == 7:
            size, share = held[4:6], held[6]
        else:
            continue
        if isinstance(size, list) and len(size) == 2 and isinstance(share, int | float):
            stem = unicodedata.normalize("NFC", PurePath(image).stem)
            pair = Pair(Path(image), Path(mask), stem, _name_then(Path(image)), "train")
            yield Entry(pair, int(size[0]), int(size[1]), float(share))


def _name_then(image: Path) -> str:
    """The data set's name, as these checkpoints took it from the folders."""
    for folder in image.parents:
        word = folder.name.casefold().translate({ord(mark): None for mark in "-_ "})
        if word not in _PLAIN:
            return folder.name or "root"
    return "root"


def _is_under(path: Path, roots: Sequence[str]) -> bool:
    text = path.as_posix()
    for root in roots:
        plain = PurePath(root).as_posix().removeprefix("./")
        if text.startswith(f"{plain}/") or f"/{plain.lstrip('./')}/" in text:
            return True
    return False


def _record_then(then: Split, entries: Sequence[Entry]) -> SplitRecord:
    """The images of then, each with its content where the same picture is there now."""
    now: dict[tuple[str, int, int, float], Entry] = {}
    for entry in entries:
        now[_shape(entry)] = entry
    images = []
    for held, side in ((False, then.train), (True, then.val)):
        for old in side:
            new = now.get(_shape(old))
            if new is None:
                images.append(Known(old.pair.key, held=held))
                continue
            look = difference_hash(new.print) if new.print else ""
            images.append(Known(old.pair.key, new.image_digest, new.mask_digest, look, held))
    return SplitRecord(tuple(images))


def _shape(entry: Entry) -> tuple[str, int, int, float]:
    """What a census has always kept of a pair, beside its path."""
    stem = entry.pair.stem.rpartition("/")[2]
    return stem, entry.height, entry.width, round(entry.foreground, 9)
