"""An image of a prediction and its pictures, and a million of them in a few bytes each."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import overload

from decamo.data.packed_names import PackedNames

__all__ = ["KINDS", "Item", "ItemFolder", "PackedItems"]

KINDS = ("", "_overlay", "_experts")
"""What stands behind the name in each of an image's pictures."""


@dataclass(frozen=True)
class Item:
    """An image, and its pictures.

    Attributes:
        image: its file.
        map: where its probability map goes.
        overlay: where the image with the object goes.
        sheet: where the sheet of its experts goes.
    """

    image: Path
    map: Path
    overlay: Path
    sheet: Path


@dataclass(frozen=True)
class ItemFolder:
    """The images of one folder.

    Attributes:
        source: the folder, as the user would name it.
        target: where their pictures go.
        names: of the images, in order.
        renamed: place of an image -> what its pictures are called, where that is not its stem.
    """

    source: Path
    target: Path
    names: PackedNames
    renamed: Mapping[int, str]

    def item(self, place: int) -> Item:
        """The image of a place, from 0 on."""
        image = self.source / self.names[place]
        name = self.renamed.get(place, image.stem)
        return Item(image, *(self.target / f"{name}{kind}.png" for kind in KINDS))


class PackedItems(Sequence[Item]):
    """Items that are made when they are asked for; between that only their names are held.

    Args:
        folders: in the order of their items.
        chosen: places of the items in all of those; None for every one.
    """

    def __init__(
        self, folders: Iterable[ItemFolder] = (), chosen: Sequence[int] | None = None
    ) -> None:
        self._folders = tuple(folders)
        self._ends = list(accumulate(len(folder.names) for folder in self._folders))
        every = range(self._ends[-1] if self._ends else 0)
        self._chosen: Sequence[int] = every if chosen is None else chosen

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> "PackedItems": ...

    def __getitem__(self, index: "int | slice") -> "Item | PackedItems":
        if isinstance(index, slice):
            return PackedItems(self._folders, self._chosen[index])
        place = self._chosen[index]
        number = bisect_right(self._ends, place)
        before = self._ends[number - 1] if number else 0
        return self._folders[number].item(place - before)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PackedItems) or len(self) != len(other):
            return False
        return all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def only(self, places: Iterable[int]) -> "PackedItems":
        """Some of them, by their places in these."""
        return PackedItems(self._folders, array("Q", (self._chosen[i] for i in places)))

    @property
    def renamed(self) -> "PackedItems":
        """Those whose pictures are not called by the image's stem alone."""
        starts = (0, *self._ends)
        places = (
            start + place
            for start, folder in zip(starts, self._folders, strict=False)
            for place in sorted(folder.renamed)
        )
        return PackedItems(self._folders, array("Q", places))
