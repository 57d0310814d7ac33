"""Networks by name: what ``--network`` may say, and those that somebody registers."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from decamo.errors import SettingsError

__all__ = [
    "OWN_NETWORK",
    "NetworkKind",
    "NetworkSpec",
    "is_code",
    "network_spec",
    "register_network",
    "registered_network",
]

OWN_NETWORK = "decamo"
_FILE = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")
_WORD = re.compile(r"[A-Za-z_][\w.+-]*")


class NetworkKind(Enum):
    """Where a network comes from."""

    OWN = "decamo"
    SMP = "smp"
    TRANSFORMERS = "transformers"
    FILE = "file"
    REGISTERED = "registered"


@dataclass(frozen=True)
class NetworkSpec:
    """What ``--network`` names, taken apart.

    Attributes:
        kind: where the network comes from.
        name: class, function or registered name.
        source: the Python file, or what stands behind ``@``: a folder, a file or a hub id.
    """

    kind: NetworkKind
    name: str
    source: str = ""

    def __str__(self) -> str:
        """Without folders, as a checkpoint names it."""
        match self.kind:
            case NetworkKind.FILE:
                return f"{Path(self.source).name}:{self.name}"
            case NetworkKind.SMP | NetworkKind.TRANSFORMERS:
                return f"{self.kind.value}:{self.name}"
            case _:
                return self.name


_REGISTERED: dict[str, Callable[[], Any]] = {}


def register_network(name: str, build: Callable[[], Any]) -> None:
    """Make a network known by a name that ``network`` settings may then have.

    A checkpoint keeps the name alone: whoever loads it registers the network first.

    Args:
        name: a word without a colon, not ``decamo``.
        build: called without arguments, or with ``pretrained`` where it takes that; gives a
            ``torch.nn.Module`` that maps float32 images ``[B,3,H,W]`` to logits ``[B,1,h,w]`` or
            ``[B,2,h,w]``. Its initial weights come from torch's global generator.

    Raises:
        SettingsError: the name is taken by a built-in network, or is no word.

    Example:
        >>> import torch
        >>> decamo.register_network("one-convolution", lambda: torch.nn.Conv2d(3, 1, 3, padding=1))
        >>> decamo.plan(images=80, epochs=40, network="one-convolution").resumption.kind.value
        'start'
    """
    if name == OWN_NETWORK or not _WORD.fullmatch(name):
        raise SettingsError(
            name or "name", "cannot name a network", "choose a word other than decamo, without ':'"
        )
    _REGISTERED[name] = build


def registered_network(name: str, flag: object = "--network") -> Callable[[], Any]:
    """What was registered under a name.

    Args:
        name: of the network.
        flag: that asks for it, for the error.

    Raises:
        SettingsError: nothing of that name.
    """
    if name in _REGISTERED:
        return _REGISTERED[name]
    known = ", ".join([OWN_NETWORK, *_REGISTERED])
    raise SettingsError(
        flag,
        f"got {name!r}, which is no network",
        f"choose from {known}, smp:FPN, transformers:CLASS or FILE.py:FUNCTION, or call"
        " decamo.register_network first",
    )


def is_code(text: str) -> bool:
    """Whether it names a Python file, which is run where the user names it and only there."""
    return bool(_FILE.fullmatch(text))


def network_spec(text: str, flag: object = "--network") -> NetworkSpec:
    """Take a name apart; nothing is imported or read.

    Args:
        text: ``decamo``, ``smp:CLASS``, ``transformers:CLASS[@CONFIG]``, ``FILE.py:FUNCTION`` or a
            registered name.
        flag: that it came by, for the error.

    Raises:
        SettingsError: it has none of these forms.
    """
    if text == OWN_NETWORK:
        return NetworkSpec(NetworkKind.OWN, text)
    if match := _FILE.fullmatch(text):
        return NetworkSpec(NetworkKind.FILE, match["function"], match["file"])
    library, colon, rest = text.partition(":")
    name, _, source = rest.partition("@")
    if colon and library in ("smp", "transformers") and name.isidentifier():
        if library == "smp" and not source:
            return NetworkSpec(NetworkKind.SMP, name)
        if library == "transformers":
            return NetworkSpec(NetworkKind.TRANSFORMERS, name, source)
    if _WORD.fullmatch(text) and not text.endswith(".py"):
        return NetworkSpec(NetworkKind.REGISTERED, text)
    raise SettingsError(
        flag,
        f"got {text!r}",
        "give decamo, smp:FPN, transformers:CLASS[@CONFIG], FILE.py:FUNCTION or a registered name",
    )
