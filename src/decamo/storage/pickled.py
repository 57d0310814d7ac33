"""An unpickler that knows the few opcodes and names of tensors and plain values, and sizes."""

import io
import math
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = [
    "MOST_BYTES",
    "PlainDict",
    "PlainReader",
    "SuspiciousError",
    "TensorOutline",
    "demand",
    "outline_of_pickle",
    "outline_of_tensor",
]

# A run of thousands of epochs describes itself in some 10 MB and 100,000 containers.
MOST_BYTES = 64 * 2**20
_MOST_CONTAINERS = 1_000_000
_DEEPEST = 50  # tuples within tuples; torch's own have two levels

_ITEM_BYTES = {
    **dict.fromkeys(("ByteStorage", "CharStorage", "BoolStorage"), 1),
    **dict.fromkeys(("ShortStorage", "HalfStorage", "BFloat16Storage"), 2),
    **dict.fromkeys(("IntStorage", "FloatStorage"), 4),
    **dict.fromkeys(("LongStorage", "DoubleStorage"), 8),
}


class SuspiciousError(Exception):
    """What is wrong with an archive; told on as :class:`decamo.errors.CheckpointForeign`."""


def demand(condition: bool, otherwise: str) -> None:
    """Raise :class:`SuspiciousError` with ``otherwise`` unless ``condition`` holds."""
    if not condition:
        raise SuspiciousError(otherwise)


@dataclass(frozen=True)
class TensorOutline:
    """A tensor without its values.

    Attributes:
        shape: its lengths.
        storage: torch's name of the kind of its values, such as ``FloatStorage``.
    """

    shape: tuple[int, ...]
    storage: str


def outline_of_pickle(data: bytes, storages: Mapping[str, int]) -> Any:
    """Unpickle ``data`` with a :class:`TensorOutline` for each tensor.

    Args:
        data: what torch calls ``data.pkl``.
        storages: key -> bytes that the archive has for it.

    Raises:
        SuspiciousError: a name, an opcode or a size that torch's writer would not have left.
        Exception: anything, on a file made to mislead.
    """
    demand(len(data) <= MOST_BYTES, "its description is too long")
    return PlainReader(io.BytesIO(data), storages).load()


@dataclass(frozen=True)
class _StorageType:
    name: str


@dataclass(frozen=True)
class _Storage:
    name: str
    items: int


class PlainDict(dict[Any, Any]):
    """A dict whose keys cannot be made to recurse."""

    def __setitem__(self, key: Any, value: Any) -> None:
        demand(type(key) in (str, int), "a key is neither a word nor a number")
        super().__setitem__(key, value)


def _make_dict() -> PlainDict:
    return PlainDict()


def _make_tensor(
    storage: Any,
    offset: Any,
    shape: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
) -> TensorOutline:
    demand(not requires_grad and hooks == {}, "a tensor carries more than values")
    return outline_of_tensor(storage, offset, shape, stride)


def outline_of_tensor(storage: Any, offset: Any, shape: Any, stride: Any) -> TensorOutline:
    """A tensor's outline, once its storage holds as many values as it claims.

    Raises:
        SuspiciousError: it does not.
    """
    demand(isinstance(storage, _Storage), "a tensor has no storage")
    demand(isinstance(shape, tuple) and isinstance(stride, tuple), "a tensor has no shape")
    demand(len(shape) == len(stride) <= 16, "a tensor has no shape")
    numbers = (offset, *shape, *stride)
    demand(all(type(n) is int and n >= 0 for n in numbers), "a tensor has no shape")
    count = math.prod(shape)
    reach = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) + 1
    inside = count == 0 or (count <= storage.items and reach <= storage.items)
    demand(inside, "a tensor is larger than the values that the file has for it")
    return TensorOutline(shape, storage.name)


class PlainReader(pickle._Unpickler):
    """An unpickler that knows the few opcodes and names of tensors and plain values.

    The base is the one written in Python: it keeps the memo in a dict, where the one in C sets
    aside memory for any index that a file names.
    """

    makers: ClassVar[tuple[Callable[..., Any], ...]] = (_make_dict, _make_tensor)

    # Of the base, which has no types of its own.
    append: Callable[[Any], None]
    load_mark: Callable[[], None]
    pop_mark: Callable[[], list[Any]]
    stack: list[Any]

    def __init__(self, file: io.BytesIO, storages: Mapping[str, int]) -> None:
        super().__init__(file)
        self._storages = storages
        self._containers = 0

    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins for the three kinds of names that there are."""
        if (module, name) == ("collections", "OrderedDict"):
            return _make_dict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _make_tensor
        if module == "torch" and name in _ITEM_BYTES:
            return _StorageType(name)
        raise SuspiciousError(f"it holds more than tensors and plain values: {module}.{name}"[:160])

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage, if the file has as many bytes for it as it says."""
        word, kind, key, _device, items = pid
        demand(word == "storage" and isinstance(kind, _StorageType), "a tensor has no storage")
        demand(type(items) is int and type(key) is str, "a tensor has no storage")
        held = self._storages.get(key)
        stated = items * _ITEM_BYTES[kind.name]
        demand(held == stated, "a tensor is larger than the values that the file has for it")
        return _Storage(kind.name, items)

    def _count(self) -> None:
        self._containers += 1
        demand(self._containers <= _MOST_CONTAINERS, "its description is too long")

    def _empty_dict(self) -> None:
        self._count()
        self.append(PlainDict())

    def _empty_list(self) -> None:
        self._count()
        self.append([])

    def _mark(self) -> None:
        self._count()
        self.load_mark()

    def _tuple(self, length: int | None) -> None:
        self._count()
        items: list[Any] = self.pop_mark() if length is None else self.stack[-length:]
        if length is not None:
            del self.stack[-length:]
        made = tuple(items)
        demand(_depth(made) <= _DEEPEST, "it nests too deeply")
        self.append(made)

    def _reduce(self) -> None:
        self._count()
        arguments, made_by = self.stack.pop(), self.stack.pop()
        demand(made_by in self.makers, "it calls what it may not")
        self.append(made_by(*arguments))

    def _build(self) -> None:
        """A state dict's versions of its modules; no other object has attributes."""
        state = self.stack.pop()
        whole = isinstance(self.stack[-1], PlainDict) and isinstance(state, PlainDict)
        demand(whole and set(state) <= {"_metadata"}, "it sets what it may not")
        modules = state.get("_metadata", {})
        plain = all(
            isinstance(versions, dict) and all(type(v) in (int, bool) for v in versions.values())
            for versions in modules.values()
        )
        demand(plain, "it sets what it may not")

    @staticmethod
    def opcodes() -> dict[int, Callable[[Any], None]]:
        """What each opcode does; one that is not here is an error."""
        plain = (
            pickle.PROTO + pickle.STOP + pickle.BINPUT + pickle.LONG_BINPUT + pickle.BINGET
            + pickle.LONG_BINGET + pickle.BININT + pickle.BININT1 + pickle.BININT2 + pickle.LONG1
            + pickle.BINFLOAT + pickle.BINUNICODE + pickle.NONE + pickle.NEWTRUE + pickle.NEWFALSE
            + pickle.EMPTY_TUPLE + pickle.GLOBAL + pickle.BINPERSID + pickle.APPEND
            + pickle.APPENDS + pickle.SETITEM + pickle.SETITEMS
        )  # fmt: skip
        own: dict[bytes, Callable[[Any], None]] = {
            pickle.EMPTY_DICT: PlainReader._empty_dict,
            pickle.EMPTY_LIST: PlainReader._empty_list,
            pickle.MARK: PlainReader._mark,
            pickle.TUPLE: lambda reader: reader._tuple(None),
            pickle.TUPLE1: lambda reader: reader._tuple(1),
            pickle.TUPLE2: lambda reader: reader._tuple(2),
            pickle.TUPLE3: lambda reader: reader._tuple(3),
            pickle.REDUCE: PlainReader._reduce,
            pickle.BUILD: PlainReader._build,
        }
        known = pickle._Unpickler.dispatch
        return {code: known[code] for code in plain} | {c[0]: do for c, do in own.items()}


PlainReader.dispatch = PlainReader.opcodes()


def _depth(value: tuple[Any, ...]) -> int:
    return 1 + max((_depth(v) for v in value if isinstance(v, tuple)), default=0)
