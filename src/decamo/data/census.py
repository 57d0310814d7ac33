"""One look at every file before an hour is spent on them."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from decamo.data.fingerprints import GLANCE, Print, fingerprint_of
from decamo.data.pairs import Pair
from decamo.data.read_ahead import ReadAhead
from decamo.data.reading import see_pair
from decamo.data.survey import Sight
from decamo.data.waiting import NOBODY, Ear, Patience
from decamo.errors import DataError, TooManyBadImages, UnreadableImage
from decamo.settings.option import one_of
from decamo.storage.durable import streamed_whole

__all__ = [
    "DIGITS",
    "BadFile",
    "Census",
    "Entry",
    "apply_noncam",
    "kept_in_cache",
    "load_cache",
    "refuse_if_bad",
    "refuse_many_bad",
    "save_cache",
    "take_census",
]

DIGITS = 24  # of a SHA-256 in hex: among a million images two are equal by chance with 1e-17
_AHEAD = 4  # looks that each thread may be ahead of the one that is awaited
_VERSION = 2


@dataclass(frozen=True)
class Entry:
    """A pair that can be read.

    Attributes:
        pair: the two files.
        height: of the image as displayed, in px.
        width: of the image as displayed, in px.
        foreground: share of the mask's pixels that belong to the object, in [0, 1].
        image_digest: names the image file's bytes, wherever it lies: ``DIGITS`` hex digits of
            their SHA-256; empty where nobody looked.
        mask_digest: the mask file's.
        print: what the image is compared with others by; None where nobody looked.
        sight: which values mask and image have; None where nobody looked.
    """

    pair: Pair
    height: int
    width: int
    foreground: float
    image_digest: str = ""
    mask_digest: str = ""
    print: Print | None = field(default=None, repr=False)
    sight: Sight | None = field(default=None, repr=False)


@dataclass(frozen=True)
class BadFile:
    """A pair that cannot be read: its key, the file at fault and why."""

    pair_key: str
    path: Path
    reason: str


@dataclass(frozen=True)
class Census:
    """What a look at every pair found.

    Attributes:
        entries: the pairs that can be read, in the order given.
        bad: the others.
        cache: what :func:`save_cache` keeps, so that the next census need not decode again.
    """

    entries: Sequence[Entry]
    bad: tuple[BadFile, ...]
    cache: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)


def take_census(
    pairs: Sequence[Pair],
    *,
    workers: int,
    seen: Mapping[str, object] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    ear: Ear = NOBODY,
) -> Census:
    """Decode every image and mask to its last byte.

    A JPEG is decoded at a fraction of its size: that reads its whole stream and so finds every
    truncation, at a fraction of the time.

    Args:
        pairs: what to look at.
        workers: threads (Pillow decodes outside of the interpreter's lock); at least one is used.
        seen: an earlier census's ``cache``. A pair is not decoded again where path, size in bytes
            and time of change of both files are as they were.
        on_progress: called in this thread after each pair with (done, total).
        ear: listened to meanwhile.

    Raises:
        DataStalled: a file is not read to its end.
        StopAsked: there was a reason to stop.
    """
    known = dict(seen or {})
    fresh: dict[str, object] = {}
    entries: list[Entry] = []
    bad: list[BadFile] = []
    looks = ReadAhead(
        lambda pair: _look(pair, known.get(_name(pair))),
        pairs,
        threads=workers,
        ahead=_AHEAD * max(workers, 1),
        patience=Patience(ear.give_up_s),
        name=lambda pair: pair.image,
    )
    with closing(looks):
        for done, pair in enumerate(pairs, start=1):
            look, stamp = looks.next(ear).result()
            ear.heed()
            if isinstance(look, Entry):
                entries.append(look)
                fresh[_name(pair)] = _kept(look, stamp)
            else:
                bad.append(look)
            on_progress(done, len(pairs))
    return Census(tuple(entries), tuple(bad), known | fresh)


def refuse_if_bad(census: Census, limit: float = 0.01) -> None:
    """Stop before training where too much is broken.

    Args:
        census: of the pairs that are to train.
        limit: largest share of pairs, in [0, 1], that may be unreadable and are then left out.

    Raises:
        TooManyBadImages: the share is larger; names the count and the first three files.
    """
    refuse_many_bad(census.bad, len(census.bad) + len(census.entries), limit=limit)


def refuse_many_bad(
    bad: Sequence[BadFile],
    total: int,
    flag: str = "--dataset-path",
    what: str = "pairs",
    *,
    limit: float = 0.01,
) -> None:
    """The same, of any files.

    Args:
        bad: those that cannot be read.
        total: of how many.
        flag: that named them.
        what: they are.
        limit: largest share that may be unreadable, in [0, 1].

    Raises:
        TooManyBadImages: as above.
    """
    count = len(bad)
    if count <= limit * total:
        return
    first = "; ".join(f"{one.path}: {one.reason}" for one in bad[:3])
    raise TooManyBadImages(
        flag,
        f"{count} of {total} {what} ({count / total:.1%}) cannot be read, such as {first}",
        f"unpack or download the data set again, or remove these {what}",
    )


def apply_noncam(
    entries: Iterable[Entry], policy: str
) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Separate the images in which nothing is camouflaged.

    Args:
        entries: of a census.
        policy: ``drop`` leaves out empty masks and images that COD10K calls NonCAM; ``negatives``
            keeps them, to be trained on as background.

    Returns:
        What is kept and what is dropped, each in the order given.

    Raises:
        SettingsError: ``--noncam`` knows no such policy.
        DataError: nothing is left.
    """
    one_of("noncam", policy, ("drop", "negatives"))
    entries = tuple(entries)
    kept = tuple(e for e in entries if policy == "negatives" or not _is_noncam(e))
    dropped = tuple(e for e in entries if policy == "drop" and _is_noncam(e))
    if entries and not kept:
        raise DataError(
            "--noncam drop",
            f"all {len(entries)} images are without a camouflaged object: their masks are empty",
            "check that the mask folder is the right one",
        )
    return kept, dropped


def kept_in_cache(entry: Entry, stamp: Sequence[int]) -> tuple[str, dict[str, object]]:
    """What a census would keep of a look that was taken elsewhere, and under which name.

    Args:
        entry: what was seen, such as by ``decamo data audit``.
        stamp: the image's size in bytes and time of change in ns, then the mask's, as they were
            before the look.
    """
    return _name(entry.pair), _kept(entry, stamp)


def load_cache(path: Path) -> dict[str, object]:
    """What :func:`save_cache` wrote; empty where the file is missing, damaged or of another age."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # a cache that cannot be read only costs time
        return {}
    # entries of version 1 are not believed, but tell which images an earlier run had
    if not isinstance(held, dict) or held.get("version") not in (1, _VERSION):
        return {}
    pairs = held.get("pairs")
    return pairs if isinstance(pairs, dict) else {}


def save_cache(path: Path, census: Census) -> None:
    """Keep what the census found; the file is whole or absent.

    Raises:
        StorageError: it cannot be written.
    """
    with streamed_whole(path) as file:
        for piece in _cache_pieces(census.cache):
            file.write(piece.encode())  # ASCII: names may not be UTF-8


def _cache_pieces(cache: Mapping[str, object]) -> Iterator[str]:
    """What ``json.dumps`` makes of it with an indent of 0, in pieces."""
    before = f'{{\n"version": {_VERSION},\n"pairs": {{\n'
    for name, kept in cache.items():
        yield f"{before}{json.dumps(name)}: {json.dumps(kept, indent=0)}"
        before = ",\n"
    yield "\n}\n}" if before == ",\n" else f'{{\n"version": {_VERSION},\n"pairs": {{}}\n}}'


def _look(pair: Pair, known: object) -> tuple[Entry | BadFile, list[int]]:
    try:
        stamp = _stamp(pair)
        remembered = _recall(pair, stamp, known)
        if remembered:
            return remembered, stamp
        digests = _digest(pair.image), _digest(pair.mask)
        image, (height, width), share, values, numbers = see_pair(pair, at_least=GLANCE)
    except UnreadableImage as error:
        return BadFile(pair.key, Path(error.what), error.got), []
    except OSError as error:
        return BadFile(pair.key, Path(error.filename), error.strerror or str(error)), []
    found = replace(fingerprint_of(image), aspect=width / height)
    flat = bool((image[::8, ::8] == image[0, 0]).all()) and bool((image == image[0, 0]).all())
    sight = Sight(pair.mask.name, values, numbers, flat)
    return Entry(pair, height, width, share, *digests, found, sight), stamp


def _kept(entry: Entry, stamp: Sequence[int]) -> dict[str, object]:
    """An entry as the cache holds it, with sizes in bytes and times of change."""
    return {
        "stamp": list(stamp),
        "size": [entry.height, entry.width],
        "foreground": entry.foreground,
        "digests": [entry.image_digest, entry.mask_digest],
        "print": entry.print.to_text() if entry.print else "",
        "sight": entry.sight.to_plain() if entry.sight else None,
    }


def _recall(pair: Pair, stamp: list[int], known: object) -> Entry | None:
    """The entry that an earlier census kept, where its files are as they were."""
    if not isinstance(known, dict) or known.get("stamp") != stamp:
        return None
    try:
        height, width = known["size"]
        share, (image, mask) = known["foreground"], known["digests"]
        whole = all(type(side) is int and side > 0 for side in (height, width))
        named = all(type(d) is str and len(d) == DIGITS for d in (image, mask))
        if not whole or not named or type(share) not in (int, float) or not 0 <= share <= 1:
            return None
        found = Print.from_text(known["print"], width / height)
        sight = Sight.from_plain(pair.mask.name, known["sight"])
    except (KeyError, TypeError, ValueError):
        return None
    return Entry(pair, height, width, float(share), image, mask, found, sight)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def _stamp(pair: Pair) -> list[int]:
    stats = [path.stat() for path in (pair.image, pair.mask)]
    return [number for stat in stats for number in (stat.st_size, stat.st_mtime_ns)]


def _name(pair: Pair) -> str:
    return f"{pair.image.absolute()}|{pair.mask.absolute()}"


def _is_noncam(entry: Entry) -> bool:
    return entry.foreground == 0 or entry.pair.noncam_by_name
