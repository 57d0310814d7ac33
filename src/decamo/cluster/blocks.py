"""Blocks of items under way: which to give out next, and which to hand on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice
from typing import Generic, TypeVar

__all__ = ["Blocks"]

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass
class Blocks(Generic[Item, Found]):
    """Blocks by number; only a few are held, from when one is given out to when it is handed on.

    Args:
        items: taken as there is room.
        size: of a block.
        ordered: whether they are handed on in order.
        most: that are held.
    """

    items: Iterable[Item]
    size: int
    ordered: bool
    most: int
    held: dict[int, Sequence[Item]] = field(default_factory=dict, init=False)
    _again: list[int] = field(default_factory=list, init=False)
    _done: dict[int, Sequence[Found]] = field(default_factory=dict, init=False)
    _deaths: dict[int, int] = field(default_factory=dict, init=False)
    _given: int = field(default=0, init=False)
    _handed: int = field(default=0, init=False)
    _dry: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._source = iter(self.items)

    @property
    def over(self) -> bool:
        """Whether all are handed on."""
        return self._dry and not self.held

    def take(self) -> int | None:
        """The number of a block to be done; first those that are done again. None for none now."""
        if self._again:
            return heappop(self._again)
        if self._dry or len(self.held) >= self.most:
            return None
        block = list(islice(self._source, self.size))
        self._dry = len(block) < self.size
        if not block:
            return None
        self.held[self._given] = block
        self._given += 1
        return self._given - 1

    def again(self, number: int) -> None:
        """That block was not done."""
        heappush(self._again, number)

    def blame(self, number: int) -> int:
        """A worker died at that block; returns how many have by now."""
        self._deaths[number] = self._deaths.get(number, 0) + 1
        return self._deaths[number]

    def finish(self, number: int, found: Sequence[Found]) -> None:
        """That block is done."""
        self._done[number] = found

    def ready(self) -> Iterator[Found]:
        """Hand on what can be."""
        while self._done:
            number = self._handed if self.ordered else min(self._done)
            if number not in self._done:
                return
            self._handed += 1
            del self.held[number]
            self._deaths.pop(number, None)
            yield from self._done.pop(number)
