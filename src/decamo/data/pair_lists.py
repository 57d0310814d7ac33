"""Pairs of a million images that are made when they are asked for: between that names are held."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path

from decamo.data.pairs import Pair
from decamo.data.stem_files import StemPairs
from decamo.storage.spilled import LookedUp, compact_places

__all__ = ["JoinedPairs", "SourcePairs"]


@dataclass(frozen=True, eq=False)
class SourcePairs(LookedUp[Pair]):
    """The pairs of one source, in the order of their stems.

    Attributes:
        images: by stem.
        masks: by stem.
        found: which belong together.
        inside: what stands before each stem.
        dataset: name of the data set.
        split: what the pairs say of themselves.
        places: of the pairs among those found.
    """

    images: Mapping[str, Path]
    masks: Mapping[str, Path]
    found: StemPairs
    inside: str
    dataset: str
    split: str
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)

    def at(self, place: int) -> Pair:
        """The pair of a place."""
        stem, mask = self.found.at(self.places[place])
        image, drawn = self.images[stem], self.masks[mask]
        return Pair(image, drawn, self.inside + stem, self.dataset, self.split)

    def only(self, wanted: Callable[[Pair], bool]) -> "SourcePairs":
        """Those that are wanted."""
        return self.among(n for n, pair in enumerate(self) if wanted(pair))

    def among(self, places: Iterable[int]) -> "SourcePairs":
        """Those at some places."""
        return replace(self, places=compact_places(self.places[n] for n in places))


class JoinedPairs(LookedUp[Pair]):
    """The pairs of several sources in the order of their keys.

    Args:
        parts: each in the order of its keys.
    """

    def __init__(self, parts: Iterable[Sequence[Pair]]) -> None:
        self._parts = [part for part in parts if part]
        self._whose, self._where = array("I"), array("I")
        if len(self._parts) > 1:
            for _, whose, where in merge(*(_keys(n, part) for n, part in enumerate(self._parts))):
                self._whose.append(whose)
                self._where.append(where)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def at(self, place: int) -> Pair:
        """The pair of a place."""
        if len(self._parts) == 1:
            return self._parts[0][place]
        return self._parts[self._whose[place]][self._where[place]]


def _keys(number: int, pairs: Sequence[Pair]) -> Iterator[tuple[str, int, int]]:
    return ((pair.key, number, place) for place, pair in enumerate(pairs))
