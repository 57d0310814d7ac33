"""From whatever a person has of a run - folders, logs, a pipe - to its past."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from decamo.errors import DataError
from decamo.history.history_files import log_of_document, log_of_events
from decamo.history.log_names import lines_of
from decamo.history.logs import LogReader
from decamo.history.run_log import join, log_of_journal
from decamo.history.training_log import TrainingLog
from decamo.storage.run_folder import RunFolder
from decamo.streams import STANDARD_INPUT

__all__ = ["read_training_log"]

_LOGS = (
    "metrics.csv",
    "summary.csv",
    "results.csv",
    "*.csv",
    "*.jsonl",
    "*.json",
    "*.log",
    "*.txt",
    "*.out",
)
_EVENTS = "*tfevents*"
_ROUNDED = 6e-3  # two digits, of a share or of a percentage
_MOST_LOOKED_AT = 50  # files of a folder without a journal
_WEIGHTS = (".pth", ".pt", ".ckpt", ".safetensors")


def read_training_log(paths: Sequence[str | Path], stdin: BinaryIO | None = None) -> TrainingLog:
    """The past of a run.

    Args:
        paths: each a run folder, a journal, a log of any origin, a CSV, an event file of
            TensorBoard, a folder that holds some of these, or ``-`` for standard input. Several
            are the parts of one lineage, such as run folders resumed from each other.
        stdin: standard input, for ``-``.

    Raises:
        DataError: a path is not there, cannot be read, or is a folder without any of these.
    """
    if not paths:
        raise DataError("paths", "none given", "name a run folder or a log, or - for a pipe")
    return join([_one(str(path), stdin) for path in paths])


def _one(name: str, stdin: BinaryIO | None) -> TrainingLog:
    if name == STANDARD_INPUT:
        if stdin is None:
            raise DataError(name, "there is no standard input here", "name a file instead")
        return _told(lines_of(stdin), "standard input")
    path = Path(name)
    try:
        return _folder(path) if path.is_dir() else _file(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(path, "no such file or folder", _nearest(path)) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(path, f"cannot be read ({reason})", "check its name and rights") from error


def _file(path: Path) -> TrainingLog:
    folder = RunFolder(path.parent)
    if path.suffix.lower() in _WEIGHTS:
        beside = folder.journal.exists()
        remedy = f"name its folder {path.parent}" if beside else "name a run folder or a log"
        raise DataError(path, "holds weights, not what happened", remedy)
    past = _reader(path)(path)
    if path == folder.journal and folder.best.exists():
        return replace(past, checkpoint=str(folder.best))
    return past


def _reader(path: Path) -> Callable[[Path], TrainingLog]:
    if "tfevents" in path.name:
        return log_of_events
    return log_of_journal if path.name == RunFolder(path.parent).journal.name else _text


def _text(path: Path) -> TrainingLog:
    whole = log_of_document(path)
    if whole is not None:
        return whole
    with path.open("rb") as file:
        return _told(lines_of(file), str(path))


def _told(lines: Iterator[str], source: str) -> TrainingLog:
    reader = LogReader(source)
    past = reader.read(lines)
    if not reader.seen:
        raise DataError(
            source,
            "is not a log: no line names an epoch with a loss, a score or a learning rate",
            "give what the trainer printed, its CSV or JSON lines, its history.json or its folder",
        )
    return past


def _folder(path: Path) -> TrainingLog:
    folder = RunFolder(path)
    own = folder.journal.exists()
    past = log_of_journal(folder.journal) if own else _of_another_tool(path)
    best = str(folder.best) if folder.best.exists() else past.checkpoint
    return replace(past, source=str(path), checkpoint=best)


def _of_another_tool(path: Path) -> TrainingLog:
    """The file of a folder that says the most, by epochs with an IoU.

    Files that tell the same run are one log in several forms.

    Raises:
        DataError: there is none, or there are several that tell different runs.
    """
    best: TrainingLog | None = None
    found: list[tuple[str, TrainingLog]] = []
    for reader, file in _candidates(path):
        try:
            past = reader(file)
        except DataError:  # requirements.txt, a README
            continue
        named = "event files" if file == path else str(file.relative_to(path))
        if past.points:
            found.append((named, past))
        if best is None or _worth(past) > _worth(best):
            best = replace(past, notes=(f"read from {named}", *past.notes))
    if best is None:
        raise DataError(
            path,
            "holds no journal.jsonl, log, CSV or event file",
            "name the folder given as --checkpoint-dir, or a log file",
        )
    others = [name for name, past in found if _contradicts(past, best)]
    if others:
        names = [name for name, _ in found]
        told = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        raise DataError(path, f"holds logs of different runs: {told}", "name the one that is meant")
    return best


def _contradicts(past: TrainingLog, best: TrainingLog) -> bool:
    """Whether two logs cannot be of one run: an epoch of both has scores that differ."""
    known = {p.epoch: p for p in best.points}
    for point in past.points:
        other = known.get(point.epoch)
        for name in ("iou", "dice", "mae") if other is not None else ():
            a, b = point.known(name), other.known(name) if other is not None else None
            if a is not None and b is not None and abs(a - b) > _ROUNDED:
                return True
    return False


def _candidates(path: Path) -> Iterator[tuple[Callable[[Path], TrainingLog], Path]]:
    """Files that may be logs, up to three folders deep (``lightning_logs/version_0``)."""
    seen: set[Path] = set()
    races = RunFolder(path).races  # the trials of a race are runs of their own
    for depth in ("", "*/", "*/*/"):
        for pattern in _LOGS:
            for file in sorted(path.glob(depth + pattern)):
                new = file not in seen and races not in file.parents
                if new and file.is_file() and len(seen) < _MOST_LOOKED_AT:
                    seen.add(file)
                    yield _file, file
    events = {file.parent for d in ("", "*/", "*/*/") for file in path.glob(d + _EVENTS)}
    for folder in sorted(events):
        yield log_of_events, folder


def _worth(past: TrainingLog) -> tuple[int, int]:
    return sum(p.known("iou") is not None for p in past.points), len(past.points)


def _nearest(path: Path) -> str:
    """What is there and is called nearly the same."""
    place = next((parent for parent in path.parents if parent.is_dir()), None)
    if place is None:
        return "name a run folder or a log"
    missing = path.relative_to(place).parts[0]
    close = difflib.get_close_matches(missing, sorted(p.name for p in place.iterdir()), n=1)
    if close:
        return f"did you mean {place / close[0]}?"
    return f"{place} is there, {missing} is not: name a run folder or a log"
