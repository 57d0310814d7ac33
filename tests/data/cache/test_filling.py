import os
import signal
from pathlib import Path

import pytest
import torch

from decamo.data.cache import filling
from decamo.data.cache.filling import fill
from decamo.data.cache.pixels import square_of
from decamo.data.cache.sources import Stored
from decamo.data.pairs import Pair
from decamo.errors import StorageError, UnreadableImage

PAIRS = tuple[Pair, ...]


@pytest.mark.parametrize("workers", [0, 2])
def test_each_square_lies_in_its_place(
    pairs: PAIRS, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_FEW", 1)
    path, told = tmp_path / "squares", []
    path.write_bytes(b"head")
    fill(path, pairs, 64, start=4, workers=workers, on_progress=lambda *at: told.append(at))
    assert told == [(n, 5) for n in range(1, 6)]
    stored = Stored(path, 5, 64, start=4)
    for index, pair in enumerate(pairs):
        assert torch.equal(stored.square(index), square_of(pair, 64))
    assert path.read_bytes()[:4] == b"head"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_cannot_be_decoded_is_named(
    pairs: PAIRS, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_FEW", 1)
    pairs[2].mask.write_bytes(pairs[2].mask.read_bytes()[:60])
    path = tmp_path / "squares"
    path.touch()
    with pytest.raises(UnreadableImage, match=r"2\.png"):
        fill(path, pairs, 64, start=0, workers=workers, on_progress=lambda *at: None)


def test_a_process_that_dies_of_a_file_names_it(
    pairs: PAIRS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_FEW", 1)
    monkeypatch.setattr(filling, "_task", _dies_of_3)
    path = tmp_path / "squares"
    path.touch()
    with pytest.raises(UnreadableImage, match=r"3\.jpg.* died of SIGKILL"):
        fill(path, pairs, 64, start=0, workers=1, on_progress=lambda *at: None)


def _dies_of_3(image: str, *_: str) -> dict[str, object]:
    if image.endswith("3.jpg"):
        os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_a_file_that_cannot_be_written_is_told_by_other_processes_too(
    pairs: PAIRS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="No such file"):
        fill(tmp_path / "no", pairs, 64, start=0, workers=0, on_progress=lambda *at: None)
    monkeypatch.setattr(filling, "_FEW", 1)
    with pytest.raises(StorageError, match="No such file"):
        fill(tmp_path / "no", pairs, 64, start=0, workers=1, on_progress=lambda *at: None)
