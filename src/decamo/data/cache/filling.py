"""Squares into a file, by several processes."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from decamo.data.audit.workers import Lost, in_processes
from decamo.data.cache.pixels import channels_of, square_of
from decamo.data.pairs import Pair
from decamo.data.rules import ReadingRule
from decamo.errors import StorageError, UnreadableImage

__all__ = ["fill"]

_FEW = 256  # below, processes take longer to start than they save
_REMEDY = "download or export the file again, or remove the pair"


def fill(
    path: Path,
    pairs: Sequence[Pair],
    side: int,
    *,
    start: int,
    workers: int,
    on_progress: Callable[[int, int], None],
) -> None:
    """Write the square of every pair into an existing file.

    Args:
        path: the file, which several processes open by this name.
        pairs: in the order in which their squares are to lie.
        side: of each square, in px.
        start: bytes before the first square.
        workers: processes; 0, or few pairs, are read in this one.
        on_progress: called in this thread with (squares written, squares in all).

    Raises:
        UnreadableImage: a file cannot be decoded, or a process died of it.
        OSError: the file cannot be written; StorageError where another process found out.
    """
    channels = channels_of(pairs)
    if workers < 1 or len(pairs) < _FEW:
        for index, pair in enumerate(pairs):
            _write(path, pair, side, channels, start, index)
            on_progress(index + 1, len(pairs))
        return
    tasks = [
        (
            str(p.image),
            str(p.mask),
            json.dumps(p.rule.to_plain()),
            str(path),
            str(side),
            str(channels),
            str(start),
            str(i),
        )
        for i, p in enumerate(pairs)
    ]
    answers = in_processes(_task, tasks, workers=workers, on_progress=on_progress)
    for pair, answer in zip(pairs, answers, strict=True):
        if isinstance(answer, Lost):
            raise UnreadableImage(pair.image, f"{answer.reason} (or of its mask)", _REMEDY)
        if "unreadable" in answer:
            raise UnreadableImage(*answer["unreadable"])
        if "unwritten" in answer:
            raise StorageError(path, answer["unwritten"], "give another --cache or --cache-dir")


def _task(image: str, mask: str, rule: str, path: str, *numbers: str) -> dict[str, object]:
    torch.set_num_threads(1)  # the processes share the cores as it is
    read = ReadingRule.from_plain(json.loads(rule))
    pair = Pair(Path(image), Path(mask), Path(image).stem, "", "train", read)
    side, channels, start, index = (int(number) for number in numbers)
    try:
        _write(Path(path), pair, side, channels, start, index)
    except UnreadableImage as error:
        return {"unreadable": [str(error.what), error.got, error.remedy]}
    except OSError as error:
        return {"unwritten": error.strerror or str(error)}
    return {}


def _write(path: Path, pair: Pair, side: int, channels: int, start: int, index: int) -> None:
    square = square_of(pair, side, channels)
    with path.open("r+b", buffering=0) as file:
        file.seek(start + index * side * side * channels)
        left = memoryview(square.numpy().tobytes())
        while left:
            left = left[file.write(left) :]
