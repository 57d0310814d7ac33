"""timm with the one family of networks that is asked for, and without what only others need.

``import timm`` runs the files of all its families, torchvision with all of its own, the compiler of
torch for one of either, and Weights & Biases where that is installed: more than torch itself. Here
these packages come to be as any package does, but for their ``__init__``: it is run when something
is asked of the package that is not there, or when anybody imports another module of it. So whoever
uses timm or torchvision afterwards finds them whole; a prediction never asks.
"""

import importlib
import importlib.abc
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

__all__ = ["create_timm_model", "is_timm_model"]

_PACKAGES = (
    "timm", "timm.models", "torchvision", "torchvision.ops", "torchvision.models", "wandb",
)  # fmt: skip
_LOCK = threading.RLock()
_waiting: dict[str, importlib.abc.Loader] = {}  # package -> what runs its __init__


class _Package(ModuleType):
    """A package whose ``__init__`` has not been run."""

    def __getattr__(self, name: str) -> Any:  # asked for what is not there
        _run(self.__name__)
        return getattr(self, name)


class _Settled(ModuleType):
    """A package that has just been run, and calls something else like a module inside it.

    Python puts that module in the place of the other once it is imported: here, once, it does not.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and value.__name__ == f"{self.__name__}.{name}":
            self.__class__ = ModuleType
        else:
            super().__setattr__(name, value)


class _Later(importlib.abc.Loader):
    """Makes a package, and puts off what runs it."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> None: ...

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        _waiting[module.__name__] = self._loader
        module.__class__ = _Package


class _Present(importlib.abc.Loader):
    """Gives a module that came to be while its package was run, once, and is gone from its spec.

    Python takes that module's own spec in the place of any other, and would run it again.
    """

    def __init__(self, module: ModuleType, spec: ModuleSpec) -> None:
        self._module, self._loader, spec.loader = module, spec.loader, self

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = self._loader


class _Finder(importlib.abc.MetaPathFinder):
    """Puts packages off within a block; behind it, runs them before another module of theirs."""

    putting_off = False

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        with _LOCK:
            if not self.putting_off:
                return self._behind(name)
            found = PathFinder.find_spec(name, path, target) if name in _PACKAGES else None
            if found is not None and found.loader is not None:
                found.loader = _Later(found.loader)
            return found

    def _behind(self, name: str) -> ModuleSpec | None:
        parent = name.rpartition(".")[0]
        if parent not in _waiting:
            return None
        _run(parent)
        held = sys.modules.get(name)
        spec = None if held is None else held.__spec__
        if held is not None and spec is not None:
            _Present(held, spec)
            package = sys.modules[parent]
            if getattr(package, name.rpartition(".")[2], held) is not held:
                package.__class__ = _Settled
        return spec


_FINDER = _Finder()


@contextmanager
def _put_off() -> Iterator[None]:
    with _LOCK:
        before, _FINDER.putting_off = _FINDER.putting_off, True
        try:
            yield
        finally:
            _FINDER.putting_off = before


def _run(name: str) -> None:
    """Run a package's ``__init__``, those of the packages that it lies in first."""
    with _LOCK:
        if parent := name.rpartition(".")[0]:
            _run(parent)
        loader = _waiting.pop(name, None)
        if loader is None:
            return
        package = sys.modules[name]
        package.__class__ = ModuleType
        before, _FINDER.putting_off = _FINDER.putting_off, False
        try:
            loader.exec_module(package)
        finally:
            _FINDER.putting_off = before


def is_timm_model(name: str) -> bool:
    """Whether timm has a model of that name, as :func:`timm.is_model`."""
    return _holds(name) or bool(timm.is_model(name))


def create_timm_model(name: str, **options: Any) -> nn.Module:
    """A model as :func:`timm.create_model` makes it; other families are left alone."""
    if not _holds(name):
        return timm.create_model(name, **options)
    return importlib.import_module("timm.models._factory").create_model(name, **options)


def _holds(name: str) -> bool:
    """Whether the family of a model is there, or can be brought in alone."""
    plain = name.partition(".")[0]
    if "timm.models" not in _waiting or not plain.isidentifier():
        return False
    is_model = sys.modules["timm.models._registry"].is_model
    if not is_model(plain) and (family := _family_of(plain)):
        with _put_off():
            importlib.import_module(f"timm.models.{family}")
    return bool(is_model(plain))


def _family_of(name: str) -> str | None:
    """The file of timm that defines a model; None where it is not plain to see."""
    folder = Path(timm.__path__[0], "models")
    line = f"\ndef {name}(".encode()
    found = [path.stem for path in folder.glob("*.py") if line in path.read_bytes()]
    return found[0] if len(found) == 1 else None


if "timm" not in sys.modules and find_spec("timm") is not None:
    sys.meta_path.insert(0, _FINDER)
    with _put_off():
        import timm
        import timm.version

        timm.__version__ = timm.version.__version__  # its own modules ask for it
        importlib.import_module("timm.layers")
        importlib.import_module("timm.data")
        for _inner in ("_registry", "_factory"):
            importlib.import_module(f"timm.models.{_inner}")
else:
    import timm
