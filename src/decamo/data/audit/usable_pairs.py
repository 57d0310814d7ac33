"""The usable pairs of an audit: images and masks that can be read and fit, made when asked for."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from decamo.data.audit.facts_table import FactsTable
from decamo.data.audit.findings import Finding, Shown, pair_findings
from decamo.data.audit.inventory import Holding
from decamo.data.audit.look import FileFacts
from decamo.data.census import DIGITS, BadFile, Entry, kept_in_cache
from decamo.data.pairs import Pair
from decamo.data.survey import Sight
from decamo.storage.spilled import LookedUp, compact_places

__all__ = ["Joined", "ShownImages", "UsableCache", "UsablePairs", "sort_pairs"]


class UsablePairs(LookedUp[Entry]):
    """Some pairs of a holding, as a census would have them.

    Args:
        holding: that they are of.
        places: of the pairs there.
        facts: of its files.
        ruled: whether shares of the object are by the rule of the set.
    """

    def __init__(
        self, holding: Holding, places: Sequence[int], facts: FactsTable, *, ruled: bool = False
    ) -> None:
        self.holding, self.places = holding, places
        self._facts, self._ruled = facts, ruled

    def by_rule(self, places: Sequence[int]) -> "UsablePairs":
        """Some of them, by the rule of the set."""
        return UsablePairs(self.holding, places, self._facts, ruled=True)

    def __len__(self) -> int:
        return len(self.places)

    def at(self, place: int) -> Entry:
        """The pair of a place."""
        pair = self.holding.pairs[self.places[place]]
        return _entry(pair, *_facts_of(pair, self._facts, ruled=self._ruled))

    def stamped(self) -> Iterator[tuple[Entry, list[int]]]:
        """Each with sizes in bytes and times of change of image and mask."""
        for place in self.places:
            pair = self.holding.pairs[place]
            image, mask = _facts_of(pair, self._facts, ruled=self._ruled)
            yield (
                _entry(pair, image, mask),
                [image.size, image.changed, mask.size, mask.changed],
            )


def sort_pairs(
    holding: Holding, facts: FactsTable
) -> tuple[UsablePairs, list[Finding], list[BadFile]]:
    """The usable pairs of a holding, what is said of those that do not fit, and the bad ones."""
    fits, misfits, bad = array("I"), list[Finding](), list[BadFile]()
    for place, pair in enumerate(holding.pairs):
        image, mask = _facts_of(pair, facts, ruled=False)
        found = pair_findings(pair, image, mask)
        misfits += found
        bad += [BadFile(pair.key, Path(f.path), f.reason) for f in (image, mask) if f.fault]
        if not (image.fault or mask.fault or found):
            fits.append(place)
    return UsablePairs(holding, compact_places(fits), facts), misfits, bad


def _facts_of(pair: Pair, facts: FactsTable, *, ruled: bool) -> tuple[FileFacts, FileFacts]:
    mask = str(pair.mask)
    return facts.alone(str(pair.image)), facts[mask] if ruled else facts.alone(mask)


def _entry(pair: Pair, image: FileFacts, mask: FileFacts) -> Entry:
    height, width = image.shown
    sight = Sight.from_plain(pair.mask.name, [mask.values, image.numbers, image.flat])
    digests = image.sha256[:DIGITS], mask.sha256[:DIGITS]
    return Entry(pair, height, width, mask.foreground, *digests, image.print, sight)


class Joined(LookedUp[Entry]):
    """The usable pairs of several holdings, one after the other."""

    def __init__(self, parts: Sequence[UsablePairs]) -> None:
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def at(self, place: int) -> Entry:
        """The pair of a place."""
        number = bisect_right(self._ends, place)
        return self._parts[number][place - (self._ends[number - 1] if number else 0)]


class UsableCache(Mapping[str, object]):
    """What training keeps of each pair, so that it need not look again; one after the other."""

    def __init__(self, parts: Sequence[UsablePairs]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.items())

    def __getitem__(self, name: str) -> object:
        return next(kept for known, kept in self.items() if known == name)

    def items(self) -> Iterator[tuple[str, object]]:  # type: ignore[override]
        """Names and what is kept of each."""
        for part in self._parts:
            for entry, stamp in part.stamped():
                yield kept_in_cache(entry, stamp)


@dataclass(frozen=True, eq=False)
class ShownImages(LookedUp[Shown]):
    """The images of holdings, one holding after the other.

    Attributes:
        holdings: that they are of.
        facts: of their files.
    """

    holdings: Sequence[Holding]
    facts: FactsTable

    def __len__(self) -> int:
        return sum(len(holding.images) for holding in self.holdings)

    def at(self, place: int) -> Shown:
        """The image of a place."""
        for holding in self.holdings:
            if place < len(holding.images):
                facts = self.facts[str(holding.images[place])]
                return Shown(facts, holding.name, holding.split)
            place -= len(holding.images)
        raise IndexError(place)
