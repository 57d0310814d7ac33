"""Objects in which other programs keep their settings: read as values, their classes left alone.

Many trainers save ``args`` as the ``argparse.Namespace`` that it is, or a config as a dict that
can also be read by attributes. Such an object is a name and a dict. Here the name is that of a
stand-in which takes a dict and does nothing else, so that no class is imported for it; what the
dict holds has to be data like all the rest.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from decamo.storage.pickled import SuspiciousError, demand

__all__ = [
    "DICTS",
    "OBJECTS",
    "PATHS",
    "SETS",
    "WORDS",
    "HeldDict",
    "HeldObject",
    "held_path",
    "held_set",
    "plain",
]

_DEEPEST = 100  # containers within containers; a config has a handful

OBJECTS = frozenset(
    ("argparse.Namespace", "types.SimpleNamespace", "omegaconf.dictconfig.DictConfig",
     "omegaconf.listconfig.ListConfig", "omegaconf.base.ContainerMetadata",
     "omegaconf.base.Metadata",
     *(f"omegaconf.nodes.{kind}Node" for kind in
       ("Any", "String", "Integer", "Float", "Boolean", "Path", "Interpolation")))
)  # fmt: skip
"""Classes whose objects are pickled as a dict of their attributes."""

DICTS = frozenset(
    ("easydict.EasyDict", "addict.addict.Dict", "yacs.config.CfgNode", "munch.Munch",
     "mmengine.config.config.ConfigDict", "mmcv.utils.config.ConfigDict",
     "lightning.fabric.utilities.data.AttributeDict",
     "lightning_fabric.utilities.data.AttributeDict",
     "pytorch_lightning.utilities.parsing.AttributeDict", "collections.defaultdict")
)  # fmt: skip
"""Classes that are dicts."""

PATHS = frozenset(
    f"{module}.{kind}"
    for module in ("pathlib", "pathlib._local")
    for kind in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
)
"""Paths of the standard library: texts."""

_TYPES = ("dict", "list", "tuple", "int", "long", "float", "str", "unicode", "bool")
WORDS = frozenset(
    ("typing.Any", *(f"{module}.{kind}" for module in ("builtins", "__builtin__")
                     for kind in _TYPES))
)  # fmt: skip
"""Names of types that stand in a config as values; nothing can be made with them."""


SETS = frozenset(
    f"{module}.{kind}" for module in ("builtins", "__builtin__") for kind in ("set", "frozenset")
)
"""Sets: as lists, since nothing in them has to be hashed."""


class HeldObject:
    """Stands in for an object that is a dict of attributes."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: Mapping[str, Any] = {}

    def __new__(cls) -> "HeldObject":
        """Unpickled without arguments, and without ``__init__``."""
        made = super().__new__(cls)
        made.state = {}
        return made

    def __setstate__(self, state: Any) -> None:
        demand(isinstance(state, dict), "settings are no dict")
        self.state = state

    def value(self) -> Any:
        """What it holds; of omegaconf's containers and nodes the content."""
        for name in ("_content", "_val"):
            if name in self.state and "_metadata" in self.state:
                return self.state[name]
        return self.state


class HeldDict:
    """Stands in for a class of dicts: it makes a plain one, whatever types it is given."""

    def __new__(cls, *_types: object) -> Any:
        """An ``OrderedDict``, to which torch's unpickler adds items."""
        return OrderedDict()


def held_set(items: Any = ()) -> list[Any]:
    """A set's items.

    Raises:
        SuspiciousError: it is made of something else.
    """
    demand(isinstance(items, list | tuple), "a set has no items")
    return list(items)


def held_path(*parts: Any) -> str:
    """A path as text.

    Raises:
        SuspiciousError: it is of anything but text.
    """
    demand(all(type(part) is str for part in parts), "a path has no name")
    return "/".join(parts)


def plain(value: Any, depth: int = 0) -> Any:
    """Numpy's numbers as Python's, and settings as dicts.

    Raises:
        SuspiciousError: it nests too deeply, or in itself.
    """
    if depth > _DEEPEST:
        raise SuspiciousError("it nests too deeply")
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, HeldObject):
        return plain(value.value(), depth + 1)
    if isinstance(value, dict):  # an attribute of an OrderedDict may be called items
        return {key: plain(one, depth + 1) for key, one in dict.items(value)}
    if isinstance(value, list | tuple):
        return [plain(one, depth + 1) for one in value]
    return value
