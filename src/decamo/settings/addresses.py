"""Addresses of files that lie on no disk of this machine, such as ``s3://bucket/run``."""

import re
from pathlib import Path

from decamo.errors import SettingsError

__all__ = ["address_in", "check_address", "shown_address"]

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//?)(.+)", re.DOTALL)  # C:/x has one letter
_NOT_FILES = ("hf",)  # the hub's models have a door of their own


def address_in(name: str | Path) -> str:
    """The address that a name is; empty where it is a path of this machine.

    Args:
        name: ``s3://bucket/run``; a Path of it has lost a slash, which is put back.
    """
    text = name.as_posix() if isinstance(name, Path) else name
    found = _ADDRESS.fullmatch(text)
    if found is None or found[1].lower() in _NOT_FILES:
        return ""
    if found[2] == "/" and not isinstance(name, Path):
        return ""
    scheme, rest = found[1].lower(), found[3].lstrip("/")
    return f"file:///{rest}" if scheme == "file" else f"{scheme}://{rest}"


def shown_address(address: str) -> str:
    """The address without what may be secret: a password, a signed query."""
    scheme, _, rest = address.partition("://")
    if scheme in ("http", "https"):
        rest = rest.partition("?")[0]
    place, slash, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{host}{slash}{path}"


def check_address(flag: str, text: str) -> str:
    """The address that a flag was given.

    Raises:
        SettingsError: it is none, is a chain of several, or has a password inside, which would be
            written into settings and checkpoints.
    """
    address = address_in(text)
    if not address or "::" in text:
        raise SettingsError(flag, f"got {text!r}", "give one address, such as s3://BUCKET/runs/x")
    if shown_address(address) != address:
        raise SettingsError(
            flag,
            f"{shown_address(address)} was given with a password or a key inside",
            "leave it out of the address: environment variables and the store's own files have it",
        )
    return address.rstrip("/")
