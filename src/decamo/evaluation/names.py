"""What a method is called: the name given before its path, or what its path suggests."""

from collections.abc import Sequence
from pathlib import Path

from decamo.errors import SettingsError

__all__ = ["method_names", "named_path"]


def named_path(text: str) -> tuple[str, Path]:
    """``NAME=PATH`` apart; the name is empty where there is none or the whole is a path."""
    name, equals, path = text.partition("=")
    if not equals or "/" in name or Path(text).exists():
        return "", Path(text)
    return name, Path(path)


def method_names(named: Sequence[tuple[str, Path]]) -> list[str]:
    """Names given, else the path's stem, with its folder's name where two would be alike.

    Raises:
        SettingsError: two are still alike.
    """
    plain = [name or path.absolute().stem for name, path in named]
    names = [
        n if plain.count(n) == 1 or given else f"{path.absolute().parent.name}/{n}"
        for n, (given, path) in zip(plain, named, strict=True)
    ]
    twice = [n for n in names if names.count(n) > 1]
    if twice:
        raise SettingsError(twice[0], "two methods have this name", "give names: NAME=PATH")
    return names
