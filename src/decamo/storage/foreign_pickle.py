"""Look through another program's torch archive before torch does.

What decamo writes is plain (:mod:`decamo.storage.pickled`). Other trainers also write parameters
that learn, sizes, kinds of numbers, scores as numpy scalars, and settings in objects
(:mod:`decamo.storage.foreign_objects`): all of it data. Whatever else an archive names is refused
by that name, for a name in a pickle is a call.
"""

import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from decamo.storage.foreign_objects import (
    DICTS,
    OBJECTS,
    PATHS,
    SETS,
    WORDS,
    HeldDict,
    HeldObject,
    held_path,
    held_set,
)
from decamo.storage.pickled import (
    MOST_BYTES,
    PlainDict,
    PlainReader,
    TensorOutline,
    demand,
    outline_of_tensor,
)

__all__ = ["STAND_INS", "look_through"]

_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")  # numpy 1 and 2
_KINDS = frozenset(
    ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
     "bool", "strided", "contiguous_format", "preserve_format")
)  # fmt: skip
_NUMBERS = frozenset("bifuc")  # kinds of numpy's numbers; O is any object at all


def look_through(data: bytes, storages: Mapping[str, int]) -> Any:
    """Unpickle ``data`` with stand-ins for all that is not plain; nothing named in it is imported.

    Args:
        data: what torch calls ``data.pkl``.
        storages: key -> bytes that the archive has for it.

    Returns:
        its plain values, with a ``TensorOutline`` for each tensor.

    Raises:
        SuspiciousError: names the first thing in it that is no data, or a size that it lacks.
        Exception: anything, on a file made to mislead.
    """
    demand(len(data) <= MOST_BYTES, "its description is too long")
    return _ForeignReader(io.BytesIO(data), storages).load()


@dataclass(frozen=True)
class _Kind:
    """Of numpy's numbers, such as ``f8``; without the fields that the real one has."""

    code: str


def _kind(code: Any, *_flags: Any) -> _Kind:
    known = isinstance(code, str) and code[:1] in _NUMBERS and code[1:].isdecimal()
    demand(
        known, f"it holds more than tensors and plain values: numpy objects of kind {code!r:.40}"
    )
    return _Kind(code)


def _number(kind: Any, content: Any) -> float:
    demand(isinstance(kind, _Kind) and isinstance(content, bytes), "a number of numpy is none")
    return 0.0


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    demand(isinstance(text, str) and encoding == "latin1", "a number of numpy is none")
    encoded: bytes = text.encode("latin1")
    return encoded


def _tensor(*arguments: Any) -> TensorOutline:
    storage, offset, shape, stride, *_ = arguments
    return outline_of_tensor(storage, offset, shape, stride)


def _parameter(tensor: Any, *_: Any) -> Any:
    demand(isinstance(tensor, TensorOutline), "a parameter has no tensor")
    return tensor


def _size(lengths: Any) -> tuple[Any, ...]:
    demand(isinstance(lengths, tuple | list), "a size has no lengths")
    return tuple(lengths)


def _device(kind: Any, *index: Any) -> str:
    demand(isinstance(kind, str) and all(type(i) is int for i in index), "a device has no name")
    return kind


def _counts(content: Any = None) -> Any:
    return {} if content is None else content


class _SettingsDict(PlainDict):
    """A dict of settings, which may have attributes beside its items."""


def _settings_dict(*types: Any) -> _SettingsDict:
    demand(
        all(isinstance(one, _Word) or one is None for one in types), "a dict of settings is none"
    )
    return _SettingsDict()


@dataclass(frozen=True)
class _Word:
    """The name of a type, as a value."""

    name: str


_MAKERS: dict[tuple[str, str], Callable[..., Any]] = {
    **{(module, "scalar"): _number for module in _MODULES},
    ("numpy", "dtype"): _kind,
    ("_codecs", "encode"): _encoded,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): _size,
    ("torch", "device"): _device,
    ("collections", "Counter"): _counts,
}


_SETTINGS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(OBJECTS, HeldObject),
    **dict.fromkeys(DICTS, _settings_dict),
    **dict.fromkeys(PATHS, held_path),
    **dict.fromkeys(SETS, held_set),
}
STAND_INS: list[tuple[Any, str]] = [
    *((HeldObject, name) for name in sorted(OBJECTS)),
    *((HeldDict, name) for name in sorted(DICTS)),
    *((held_path, name) for name in sorted(PATHS)),
    *((held_set, name) for name in sorted(SETS)),
    *((_Word(name), name) for name in sorted(WORDS)),
]
"""For torch's own unpickler, which reads the file after this one: stand-in, name that it is for."""


class _ForeignReader(PlainReader):
    makers: ClassVar[tuple[Callable[..., Any], ...]] = (
        *PlainReader.makers, *_MAKERS.values(), *dict.fromkeys(_SETTINGS.values())
    )  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in for what is data; the name of anything else is the reason of a refusal."""
        if (made_by := _MAKERS.get((module, name))) is not None:
            return made_by
        if (made_by := _SETTINGS.get(f"{module}.{name}")) is not None:
            return made_by
        if f"{module}.{name}" in WORDS:
            return _Word(name)
        if module == "torch" and name in _KINDS:
            return name
        return super().find_class(module, name)

    def _build_of_data(self) -> None:
        """The versions of a state dict's modules, the byte order of numpy's numbers, settings."""
        built = self.stack[-2]
        if not isinstance(built, _Kind | HeldObject | _SettingsDict):
            self._build()
            return
        state = self.stack.pop()
        if isinstance(built, _Kind):
            demand(isinstance(state, tuple), "a number of numpy is none")
            return
        demand(isinstance(state, PlainDict), "settings are no dict")
        if isinstance(built, HeldObject):
            built.__setstate__(state)

    def _new_object(self) -> None:
        """An object of settings; nothing else is made without a call."""
        self._count()
        arguments, kind = self.stack.pop(), self.stack.pop()
        # addict gives a dict's items twice: as arguments, and one by one as any dict
        whole = kind is _settings_dict or (kind is HeldObject and arguments == ())
        demand(whole and isinstance(arguments, tuple), "it makes what it may not")
        self.append(kind())

    @staticmethod
    def opcodes() -> dict[int, Callable[[Any], None]]:
        """Those of plain values, and of later protocols."""
        known = pickle._Unpickler.dispatch
        further = (
            pickle.FRAME + pickle.MEMOIZE + pickle.SHORT_BINUNICODE + pickle.BINUNICODE8
            + pickle.STACK_GLOBAL + pickle.SHORT_BINBYTES + pickle.BINBYTES + pickle.LONG4
            + pickle.NEWFALSE
        )  # fmt: skip
        own = {
            pickle.REDUCE[0]: _ForeignReader._reduce,
            pickle.BUILD[0]: _ForeignReader._build_of_data,
            pickle.NEWOBJ[0]: _ForeignReader._new_object,
        }
        return PlainReader.opcodes() | {code: known[code] for code in further} | own


_ForeignReader.dispatch = _ForeignReader.opcodes()
