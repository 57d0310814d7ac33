"""A long sequence of which only the beginning of a short one is held in memory: the rest is a file.

The file has no name, lies where temporary files do (``TMPDIR``) and ends with the process.
"""

import pickle
import tempfile
import weakref
from abc import abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Generic, TypeVar, overload

from decamo.storage.durable import storage_error

__all__ = [
    "LookedUp",
    "Picked",
    "Spilled",
    "compact_places",
    "explained_temporaries",
    "unnamed_file",
]

T = TypeVar("T")
S = TypeVar("S")
_HELD = 1000  # values; scores of that many images are some 20 MB


class LookedUp(Sequence[T]):
    """A sequence whose values are looked up, or made, when they are asked for."""

    @abstractmethod
    def at(self, place: int) -> T:
        """The value of a place, from 0 on."""

    def __iter__(self) -> Iterator[T]:
        return map(self.at, range(len(self)))

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> "Picked[T, T]": ...

    def __getitem__(self, index: "int | slice") -> "T | Picked[T, T]":
        if isinstance(index, slice):
            return Picked(self, range(len(self))[index], _itself)
        return self.at(range(len(self))[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class Spilled(LookedUp[T]):
    """Values that can be added to; from the 1,000th on all of them lie in a file.

    They are written as pickles, that no one else can write to: each comes back equal, to the bit,
    but as another object each time.

    Args:
        held: how many are held in memory at most.
    """

    def __init__(self, held: int = _HELD) -> None:
        self._most = held
        self._here: list[T] = []
        self._starts = array("Q")
        self._end = 0
        self._file: IO[bytes] | None = None

    def append(self, value: T) -> None:
        """Add one at the end.

        Raises:
            StorageError: there is no room for temporary files.
        """
        if self._file is None and len(self._here) < self._most:
            self._here.append(value)
            return
        if self._file is None:
            self._file = unnamed_file(self)
            for one in self._here:
                self._write(self._file, one)
            self._here.clear()
        self._write(self._file, value)

    def _write(self, file: IO[bytes], value: T) -> None:
        data = pickle.dumps(value, protocol=5)
        with explained_temporaries():
            file.seek(self._end)
            file.write(data)
        self._starts.append(self._end)
        self._end += len(data)

    def __len__(self) -> int:
        return len(self._starts) or len(self._here)

    def at(self, place: int) -> T:
        """The value of a place."""
        if self._file is None:
            return self._here[place]
        self._file.seek(self._starts[place])
        value: T = pickle.load(self._file)
        return value


def unnamed_file(owner: object) -> IO[bytes]:
    """A file without a name, closed and gone with its owner.

    Raises:
        StorageError: there is no room for temporary files.
    """
    with explained_temporaries():
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    weakref.finalize(owner, file.close)
    return file


@contextmanager
def explained_temporaries() -> Iterator[None]:
    """Within it, trouble with temporary files is a ``StorageError`` that names their folder."""
    try:
        yield
    except OSError as error:
        raise storage_error(Path(tempfile.gettempdir()), error) from error


class Picked(LookedUp[T], Generic[S, T]):
    """Some of a sequence's values, or something of each, looked up when it is asked for.

    Args:
        source: the sequence.
        places: in it, in the order wanted.
        get: what of each value is meant.
    """

    def __init__(self, source: Sequence[S], places: Sequence[int], get: Callable[[S], T]) -> None:
        self._source, self._places, self._get = source, places, get

    @staticmethod
    def those(source: Sequence[S], places: Iterable[int]) -> "Picked[S, S]":
        """The values at some places."""
        return Picked(source, compact_places(places), _itself)

    @staticmethod
    def where(source: Sequence[S], wanted: Callable[[S], bool]) -> "Picked[S, S]":
        """The values that are wanted."""
        return Picked.those(source, (n for n, value in enumerate(source) if wanted(value)))

    @staticmethod
    def each(source: Sequence[S], get: Callable[[S], T]) -> "Picked[S, T]":
        """Something of every value."""
        return Picked(source, range(len(source)), get)

    def __len__(self) -> int:
        return len(self._places)

    def at(self, place: int) -> T:
        """The value of a place."""
        return self._get(self._source[self._places[place]])


def compact_places(places: Iterable[int]) -> Sequence[int]:
    """Places, as a range where each is the next one."""
    held = array("I", places)
    if held and all(a + 1 == b for a, b in pairwise(held)):
        return range(held[0], held[-1] + 1)
    return held


def _itself(value: Any) -> Any:
    return value
