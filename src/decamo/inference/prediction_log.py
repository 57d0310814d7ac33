"""One JSON line for each image as it is done, and what an interrupted run has done already.

A line is written once all files of its image are whole on the disk, so that whatever has a line is
done, at whatever moment the run was killed. The first line says which network and which options
made all others; a run that goes on has the same ones.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from decamo import __version__
from decamo.errors import SettingsError
from decamo.inference.figures import MapFigures
from decamo.storage import storage_error
from decamo.storage.outputs import write_output

__all__ = ["MadeBy", "PredictedLine", "PredictionLog", "stamp_of"]

_FLAG = "--jsonl"
_MARK = "decamo predict"


@dataclass(frozen=True)
class MadeBy:
    """What makes predictions what they are.

    Attributes:
        model: sha256 of the network's files.
        options: by name, plain values. Device and batch are none: they move last bits at most.
    """

    model: str
    options: Mapping[str, Any]

    def insist_on_same(self, earlier: "MadeBy", path: Path) -> None:
        """Refuse to go on with what another network or other options have begun.

        Raises:
            SettingsError: names the first difference.
        """
        remedy = f"give the same, or another {_FLAG} and --out"
        if self.model != earlier.model:
            got = f"{path} was made by another network (sha256 {earlier.model[:12]},"
            raise SettingsError("--resume", f"{got} now {self.model[:12]})", remedy)
        for name in sorted({*self.options, *earlier.options}):
            was, now = earlier.options.get(name), self.options.get(name)
            if was != now:
                got = f"{path} was made with {name} {_shown(was)}, now {_shown(now)}"
                raise SettingsError("--resume", got, remedy)


@dataclass(frozen=True)
class PredictedLine:
    """An image that is done.

    Attributes:
        source: its path, as the user would name it.
        stamp: length in bytes and time of change in ns of its file.
        outputs: the files written of it.
        figures: of its map.
        seconds: it took; in a batch its part of them.
        experts: of each level, where they were asked for.
    """

    source: str
    stamp: tuple[int, int]
    outputs: tuple[str, ...]
    figures: MapFigures
    seconds: float
    experts: tuple[dict[str, Any], ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """A flat dict for JSON."""
        plain = {"source": self.source, "stamp": self.stamp, "outputs": self.outputs}
        plain |= asdict(self.figures) | {"seconds": round(self.seconds, 4)}
        return plain | ({"experts": self.experts} if self.experts else {})

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> "PredictedLine":
        """The inverse of :meth:`to_plain`.

        Raises:
            KeyError: it is none.
            TypeError: a value is of another type.
        """
        figures = {name: plain[name] for name in MapFigures.__dataclass_fields__}
        figures["box"] = figures["box"] and tuple(figures["box"])
        return PredictedLine(
            plain["source"],
            tuple(plain["stamp"]),
            tuple(plain["outputs"]),
            MapFigures(**figures),
            plain["seconds"],
            tuple(plain.get("experts", ())),
        )


class PredictionLog:
    """The lines of a run, in a file; of no file where there is no path.

    Args:
        path: of the file; None for none.
        made_by: the network and the options in force.
        resume: go on from what is there; else it is replaced.
        is_done: whether what an earlier run said of an image or a video still holds. Lines of which
            it does not are dropped, and so is one that was being written.

    Attributes:
        done: source -> what an earlier run wrote of it.

    Raises:
        SettingsError: the file is something else, or another network or other options made it.
        StorageError: it cannot be written.
    """

    def __init__(
        self,
        path: Path | None,
        made_by: MadeBy,
        *,
        resume: bool = False,
        is_done: Callable[[Mapping[str, Any]], bool] = lambda _: False,
    ) -> None:
        self.done: dict[str, Mapping[str, Any]] = {}
        self._path, self._file = path, None
        if path is None:
            return
        header = {_MARK: __version__, "model": made_by.model, "options": dict(made_by.options)}
        lines = [_line(header)]
        if path.is_file() and path.stat().st_size:
            earlier = _header_of(path)
            _insist_on_own_share(path, earlier, made_by)
            if resume:
                made_by.insist_on_same(earlier, path)
                lines += self._kept(path, is_done)
        special = path.exists() and not path.is_file()
        if not special:
            write_output(path, *lines)
        self._file = _opened(path)
        if special:
            self._put(lines[0])

    def add(self, plain: Mapping[str, Any]) -> None:
        """Write a line; whoever reads the file sees it at once.

        Raises:
            StorageError: it cannot be written.
        """
        if self._file is not None:
            self._put(_line(plain))

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> "PredictionLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, line: bytes) -> None:
        if self._file is None or self._path is None:
            return
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise storage_error(self._path, error) from error

    def _kept(self, path: Path, is_done: Callable[[Mapping[str, Any]], bool]) -> list[bytes]:
        """The lines that hold: of a video those of its frames only where all of it is done."""
        kept, frames = [], dict[str, list[bytes]]()
        for line, plain in _plain_lines(path):
            source = plain.get("source")
            if not isinstance(source, str):
                continue
            if "frame" in plain:
                frames.setdefault(source, []).append(line)
            elif is_done(plain):
                self.done[source] = plain
                kept += [*frames.pop(source, []), line]
            else:
                frames.pop(source, None)
        return kept


def stamp_of(path: Path) -> tuple[int, int]:
    """Length and time of change (ns) of a file; of none, zeros."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _header_of(path: Path) -> MadeBy:
    first = next(_plain_lines(path), (b"", {}))[1]
    if _MARK not in first or not isinstance(first.get("options"), dict):
        got = f"{path} is there, and no list of predictions"
        raise SettingsError(_FLAG, got, f"name another {_FLAG}")
    return MadeBy(str(first.get("model")), first["options"])


def _insist_on_own_share(path: Path, earlier: MadeBy, now: MadeBy) -> None:
    was, wanted = earlier.options.get("--shard"), now.options.get("--shard")
    if was != wanted:
        got = f"{path} has the lines of --shard {was}"
        raise SettingsError(_FLAG, got, f"give each shard its own {_FLAG}, or remove that one")


def _plain_lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The whole lines of a file that are JSON objects."""
    with path.open("rb") as file:
        for line in file:
            try:
                plain = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                continue
            if isinstance(plain, dict):
                yield line, plain


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("ab")
    except OSError as error:
        raise storage_error(path, error) from error


def _line(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain).encode() + b"\n"


def _shown(value: object) -> str:
    return "none" if value in (None, "") else str(value)
