"""Files by their names without extension, in the order of these; held as packed names alone."""

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from pathlib import Path

from decamo.data.packed_names import PackedNames

__all__ = ["SortedStems", "StemFiles", "StemPairs", "sides_of_each", "stem_of"]


def stem_of(name: str) -> str:
    """A relative path without its extension, as it is compared: NFC, with slashes."""
    dot = name.rfind(".")
    plain = name[:dot] if dot > name.rfind("/") + 1 else name
    # macOS archives decompose accents
    return plain if plain.isascii() else unicodedata.normalize("NFC", plain)


class SortedStems:
    """Where a stem stands among many that are in order.

    Args:
        names: whose stems are different and in order.
        key: of a name, its stem.
    """

    def __init__(self, names: PackedNames, key: Callable[[str], str] = str) -> None:
        self._names, self._key = names, key
        self._firsts = list(map(key, names.firsts()))
        self._open: tuple[int, list[str]] = (-1, [])

    def __iter__(self) -> Iterator[str]:
        return map(self._key, self._names)

    def __contains__(self, stem: object) -> bool:
        return isinstance(stem, str) and self.place_of(stem) is not None

    def place_of(self, stem: str) -> int | None:
        """Its place from 0 on; None where it is not among them."""
        number = bisect_right(self._firsts, stem) - 1
        if number < 0:
            return None
        held, stems = self._open  # one assignment, so that threads cannot mix two blocks
        if held != number:
            stems = list(map(self._key, self._names.block(number)))
            self._open = number, stems
        place = bisect_left(stems, stem)
        found = place < len(stems) and stems[place] == stem
        return self._names.start_of(number) + place if found else None


class StemFiles(Mapping[str, Path]):
    """Stem -> file of a folder or of one within it, in the order of stems.

    Args:
        folder: that they lie in.
        names: their paths within it, in the order of their stems, which differ.
    """

    def __init__(self, folder: Path, names: Iterable[str] = ()) -> None:
        self.folder = folder
        self._names = PackedNames(names)
        self._stems = SortedStems(self._names, stem_of)

    @classmethod
    def gathered(
        cls,
        folder: Path,
        places: Iterable[tuple[Path, Sequence[str]]],
        choose: Callable[[str, str], str],
    ) -> "StemFiles":
        """The files of some folders within one.

        Args:
            folder: the one.
            places: folders within, or it itself, each with names of files in order.
            choose: which of two files counts that have one stem, the earlier one first.
        """
        packed = []
        for place, names in places:
            inner = "" if place == folder else f"{place.relative_to(folder).as_posix()}/"
            packed.append(PackedNames(sorted((inner + name for name in names), key=stem_of)))
        return cls(folder, _different(merge(*packed, key=stem_of), choose))

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stems)

    def __contains__(self, stem: object) -> bool:
        return stem in self._stems

    def __getitem__(self, stem: str) -> Path:
        place = self.place_of(stem)
        if place is None:
            raise KeyError(stem)
        return self.folder / self._names[place]

    def place_of(self, stem: str) -> int | None:
        """Its place in the order; None where there is no such file."""
        return self._stems.place_of(stem)

    @property
    def names(self) -> Sequence[str]:
        """Their paths within the folder, in the order of stems."""
        return self._names


def _different(names: Iterable[str], choose: Callable[[str, str], str]) -> Iterator[str]:
    kept: str | None = None
    for name in names:
        if kept is None or stem_of(kept) != stem_of(name):
            if kept is not None:
                yield kept
            kept = name
        else:
            kept = choose(kept, name)
    if kept is not None:
        yield kept


class StemPairs(Mapping[str, str]):
    """Stem of an image -> stem of its mask, in the order of the first.

    Args:
        pairs: of both, in any order.
    """

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._images = PackedNames(sorted(pairs))
        self._masks = PackedNames(pairs[stem] for stem in self._images)
        self._stems = SortedStems(self._images)

    @classmethod
    def equal(cls, stems: Iterable[str]) -> "StemPairs":
        """Of stems in order, each its mask's as well."""
        made = cls({})
        made._images = made._masks = PackedNames(stems)
        made._stems = SortedStems(made._images)
        return made

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __contains__(self, stem: object) -> bool:
        return stem in self._stems

    def __getitem__(self, stem: str) -> str:
        place = self._stems.place_of(stem)
        if place is None:
            raise KeyError(stem)
        return self._masks[place]

    def at(self, place: int) -> tuple[str, str]:
        """The pair of a place in the order."""
        return self._images[place], self._masks[place]

    def taken(self) -> "SortedStems | set[str]":
        """The stems of masks."""
        return self._stems if self._masks is self._images else set(self._masks)


def sides_of_each(left: Iterable[str], right: Iterable[str]) -> Iterator[tuple[str, bool, bool]]:
    """Each text of two sequences in order, and whether it is in the first and in the second."""
    sides = merge(((text, 0) for text in left), ((text, 1) for text in right))
    held: str | None = None
    of = [False, False]
    for text, side in sides:
        if text != held:
            if held is not None:
                yield held, of[0], of[1]
            held, of = text, [False, False]
        of[side] = True
    if held is not None:
        yield held, of[0], of[1]
