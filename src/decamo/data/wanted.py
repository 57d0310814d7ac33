"""Which half a folder or file belongs to by what users say, by lists of names, and by names.

Folders' own words are read by :mod:`decamo.data.halves`; here is what outweighs or completes them:
``--train-on`` and ``--test-on``, lists such as VOC's ``train.txt``, and what the files are called.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from decamo.data.finding import PairSource
from decamo.data.halves import Half, half_of
from decamo.data.matching import Matched
from decamo.data.pairs import Pair
from decamo.errors import DataError
from decamo.settings.words import verb

__all__ = [
    "ANYTHING",
    "NOT_NAMED",
    "Wanted",
    "as_said",
    "by_files",
    "halves_said",
    "names_file",
    "names_folder",
    "refuse_idle",
]

_DOUBTFUL = 0.1  # share of the files whose names speak of a test half, from which on it counts
# Pairs of the halves that were published to test on (Fan et al., 2020; Le et al., 2019)
_TEST_HALVES = {"cod10k": 2026, "camo": 250}
_LISTS = (
    *("ImageSets", "ImageSets/Segmentation", "ImageSets/Main", "splits", "lists"),
    *("ImageSets/480p", "ImageSets/1080p", "ImageSets/2016", "ImageSets/2017"),  # DAVIS
)
_LONGEST = 10_000_000  # bytes of a list of names
NOT_NAMED = "not named by --train-on"


@dataclass(frozen=True)
class Wanted:
    """What a user says of data sets beyond where they are.

    Attributes:
        train_on: patterns of folders or files that train; where given, no others do.
        test_on: patterns of folders or files that are to test on.
        mask_suffix: what the names of masks have behind their images', such as ``_mask``.
    """

    train_on: tuple[str, ...] = ()
    test_on: tuple[str, ...] = ()
    mask_suffix: str = ""


ANYTHING = Wanted()


def as_said(source: PairSource, wanted: Wanted) -> PairSource:
    """The source as ``--train-on`` and ``--test-on`` speak of its folders."""
    trains, tests = (names_folder(p, source) for p in (wanted.train_on, wanted.test_on))
    if trains and tests:
        raise DataError(
            "--train-on", f"it and --test-on both name {source.images}", "leave it to one of them"
        )
    if trains or tests:
        return replace(source, split=Half.TRAIN if trains else Half.TEST)
    if wanted.train_on and source.split != Half.TEST:
        return replace(source, split=Half.UNCLEAR, why=NOT_NAMED)
    return source


def names_folder(patterns: Iterable[str], source: PairSource) -> bool:
    """Whether a pattern names the image folder, one above it below the root, or a path of them.

    The root's own name counts where images lie in it at once: it tells no two sets apart else.
    """
    named = source.below if len(source.below) <= 2 else source.below[1:]
    parts = [part.casefold() for part in named]
    paths = ["/".join(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)]
    return any(fnmatchcase(path, _pattern(given)) for given in patterns for path in paths)


def names_file(patterns: Iterable[str], pair: Pair) -> bool:
    """Whether a pattern names the image, with or without its extension."""
    names = (pair.image.name.casefold(), pair.stem.casefold())
    return any(fnmatchcase(name, _pattern(given)) for given in patterns for name in names)


def _pattern(given: str) -> str:
    return given.replace("\\", "/").casefold().rstrip("/").removeprefix("./")


def by_files(
    source: PairSource, found: Matched, split: str, wanted: Wanted
) -> tuple[PairSource, Matched]:
    """Of a source whose folders do not say which half it is, the files that belong to a split."""
    if source.split not in (Half.ANY, Half.UNCLEAR) or source.test_only:
        return source, found
    halves, how = halves_said(source, found.pairs, wanted)
    if not halves:
        doubt = _doubt(found.pairs) if source.split == Half.ANY else ""
        return (replace(source, split=Half.UNCLEAR, why=doubt) if doubt else source), found
    kept = found.pairs.only(lambda p: halves.get(p.stem, Half.ANY) in (Half.ANY, split))
    if not kept:
        said = set(halves.values()) - {Half.UNCLEAR}
        why = f"to {' and to '.join(sorted(said))} on, by {how}" if len(said) > 1 else ""
        return replace(source, split=next(iter(said - {split})), why=why), found
    unlisted = sum(half is Half.UNCLEAR for half in halves.values())
    others = len(found.pairs) - len(kept) - unlisted
    notes = [found.note] if found.note else []
    if others:
        notes.append(f"{others} more {verb(others)} not to {split} on, by {how}")
    if unlisted:
        notes.append(
            f"{unlisted} more {verb(unlisted)} in none of {how} and left out; a name that is added"
            " to a list is taken in"
        )
    return replace(source, split=Half.ANY), replace(found, pairs=kept, note="; ".join(notes))


def halves_said(
    source: PairSource, pairs: Sequence[Pair], wanted: Wanted
) -> tuple[dict[str, Half], str]:
    """Stem -> half, and by what: patterns, lists of names, the names, or the count; or nothing."""
    trains = {p.stem: Half.TRAIN for p in pairs if names_file(wanted.train_on, p)}
    if trains:
        return {p.stem: Half.TEST for p in pairs} | trains, "--train-on"
    tests = {p.stem: Half.TEST for p in pairs if names_file(wanted.test_on, p)}
    if tests:  # what else is not to train on remains so, and what is not named is no test
        known, how = halves_said(source, pairs, replace(wanted, test_on=()))
        ground = {p.stem: known.get(p.stem, Half.TRAIN) for p in pairs}
        return ground | tests, " and ".join(part for part in ("--test-on", how) if part)
    if source.split != Half.ANY:
        return {}, ""
    listed, how = _listed(source, pairs)
    if listed:
        return listed, how
    named: dict[str, Half] = {}
    for pair in pairs:
        half = half_of(pair.stem.rpartition("/")[2])
        if half is Half.ANY:
            break
        named[pair.stem] = half
    else:
        if named and set(named.values()) != {Half.TRAIN}:
            return named, "their names"
    word = source.home.name.casefold()
    count = next((n for name, n in _TEST_HALVES.items() if word.startswith(name)), 0)
    if count and len(pairs) == count:
        how = f"their number: the test half of {source.name} has {count}"
        return {p.stem: Half.TEST for p in pairs}, how
    return {}, ""


def _doubt(pairs: Sequence[Pair]) -> str:
    """Why the names of files leave it open which half they are; empty where they do not."""
    tests = [p for p in pairs if half_of(p.stem.rpartition("/")[2]) in (Half.TEST, Half.VAL)]
    if len(tests) < max(1, _DOUBTFUL * len(pairs)) or len(pairs) < 2:
        return ""
    have = verb(len(tests), "has a name", "have names")
    return f"{len(tests)} of its {len(pairs)} files {have} such as {tests[0].image.name}"


def _listed(source: PairSource, pairs: Sequence[Pair]) -> tuple[dict[str, Half], str]:
    """What lists of names beside the folders say, such as VOC's ``train.txt`` and ``test.txt``.

    What no list names is to train on where none is there for that, else neither: it is unclear.
    """
    said: dict[str, Half] = {}
    names: list[str] = []
    lists = list(_lists_beside(source))
    stems = _named_stems(pairs) if lists else {}
    for path, half in lists:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        listed = [_listed_name(line, stems) for line in lines if line.strip()]
        known = [name for name in listed if name]
        if known and len(known) >= 0.9 * len(listed):
            names.append(path.name)
            for stem in {stem for name in known for stem in stems[name]}:
                # a list to test on outweighs one to train on
                if said.get(stem) != Half.TEST:
                    said[stem] = half
    if not set(said.values()) - {Half.TRAIN}:
        return {}, ""
    rest = Half.UNCLEAR if Half.TRAIN in said.values() else Half.TRAIN
    return {pair.stem: rest for pair in pairs} | said, " and ".join(names)


def _lists_beside(source: PairSource) -> Iterator[tuple[Path, Half]]:
    """Files that may list names of one half, each with that."""
    places = {source.images.parent, source.home}
    places |= {place / sub for place in places for sub in _LISTS}
    for place in sorted(places):
        for path in sorted(place.glob("*.txt")) + sorted(place.glob("*.lst")):
            half = half_of(path.stem)
            if half in (Half.TRAIN, Half.TEST, Half.VAL) and path.stat().st_size <= _LONGEST:
                yield path, half


def _named_stems(pairs: Iterable[Pair]) -> dict[str, set[str]]:
    """What a list may call an image: its name, with folders before it, or a folder of a video."""
    stems: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        parts = pair.stem.split("/")
        for at in range(len(parts)):
            stems["/".join(parts[at:])].add(pair.stem)
            if at:
                stems[parts[at - 1]].add(pair.stem)
    return stems


def _listed_name(line: str, known: Mapping[str, object]) -> str:
    """What a line of a list names, with as many folders as are known; empty where nothing is."""
    for text in (line.strip(), line.split()[0]):  # a name may hold blanks, or a mask follow it
        path = PurePosixPath(text.replace("\\", "/"))
        parts = path.parts if path.name in known else path.with_suffix("").parts
        for at in range(len(parts)):
            if (name := "/".join(parts[at:])) in known:
                return name
    return ""


def refuse_idle(
    sources: Sequence[PairSource], found: Mapping[PairSource, Matched], wanted: Wanted
) -> None:
    """A pattern that finds nothing was meant otherwise."""
    for flag, patterns in (("--train-on", wanted.train_on), ("--test-on", wanted.test_on)):
        for given in patterns:
            folders = any(names_folder((given,), source) for source in sources)
            every = (pair for held in found.values() for pair in held.pairs)
            if not folders and not any(names_file((given,), pair) for pair in every):
                there = ", ".join("/".join(source.below) for source in sources[:4])
                raise DataError(
                    flag,
                    f"got {given}, which names no folder or file of images; there are {there}",
                    "give a name or a pattern such as TR-* or */part_A",
                )
