"""What a prediction is asked for, as it is typed: paths, patterns, lists of paths, a camera."""

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from decamo.data.inside import located
from decamo.errors import DataError, SettingsError
from decamo.streams import STANDARD_INPUT

__all__ = ["Sources", "read_sources"]

_LIST, _CAMERA = "@", "camera:"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Sources:
    """What is to be predicted.

    Attributes:
        paths: files and folders that exist, in the order given; a zip is a folder.
        camera: its index, in the place of all paths; None for none.
    """

    paths: tuple[Path, ...]
    camera: int | None = None


def read_sources(words: Sequence[str], standard_input: Callable[[], bytes]) -> Sources:
    """Look up what was typed.

    Args:
        words: a path; a pattern such as ``photos/**/*.jpg``; ``@list.txt``, a file with a path a
            line; ``-`` for such lines from standard input; or ``camera:0``. Relative paths start
            at the working folder, those of a list too. What exists under the very name that was
            typed is that file.
        standard_input: reads it to its end.

    Raises:
        DataError: something is missing, a list is empty or no text, or names a URL.
        SettingsError: a camera is given beside other things, or its index is no number.
    """
    if any(word.startswith(_CAMERA) for word in words):
        return Sources((), _camera(words))
    paths: list[Path] = []
    for word in words:
        path = located(word)
        if word == STANDARD_INPUT:
            paths += _listed(standard_input(), "standard input")
        elif path.exists():
            paths.append(path)
        elif _URL.match(word):
            raise _url(word)
        elif word.startswith(_LIST):
            paths += _listed(_bytes_of(Path(word[1:])), word[1:])
        elif glob.has_magic(word):
            paths += _fitting(word)
        else:
            raise DataError(word, "no such file", "name images, or folders of images")
    return Sources(tuple(paths))


def _camera(words: Sequence[str]) -> int:
    if len(words) > 1:
        got = f"{len(words)} inputs, a camera among them"
        raise SettingsError(_CAMERA + "N", got, "a camera goes on without end: give it alone")
    number = words[0].removeprefix(_CAMERA)
    if not number.isdecimal():
        raise SettingsError(words[0], "its number is missing", "the first camera is camera:0")
    return int(number)


def _fitting(pattern: str) -> Iterator[Path]:
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - absolute patterns too
    if not names:
        raise DataError(pattern, "no file fits this pattern", "check it, with ls for example")
    return map(located, names)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        got = f"this list cannot be read ({error.strerror or error})"
        raise DataError(path, got, "name a file with a path a line") from error


def _listed(data: bytes, name: str) -> list[Path]:
    if b"\0" in data:
        raise DataError(name, "this is no list of paths", "give a path a line, as text")
    paths = []
    for number, line in enumerate(data.removeprefix(_BOM).splitlines(), start=1):
        text = os.fsdecode(line)
        if not text.strip():
            continue
        if _URL.match(text):
            raise _url(f"line {number} of {name}")
        path = located(text)
        if not path.exists():
            got = f"no such file: {text}"
            raise DataError(f"line {number} of {name}", got, "correct or remove the line")
        paths.append(path)
    if not paths:
        raise DataError(name, "this list is empty", "give a path a line")
    return paths


def _url(what: str) -> DataError:
    return DataError(what, "a URL, and nothing is downloaded", "download it, and name the file")
