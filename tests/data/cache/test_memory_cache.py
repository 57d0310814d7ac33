import gc
import os
from pathlib import Path

import pytest
import torch

from decamo.data.cache.identity import square_of
from decamo.data.cache.sample_sources import open_in_memory
from decamo.data.pairs import Pair
from decamo.errors import StorageError

PAIRS = tuple[Pair, ...]


def quiet(done: int, total: int) -> None: ...


def test_squares_are_kept_as_long_as_their_source(pairs: PAIRS) -> None:
    source = open_in_memory(pairs, 64, workers=0, on_progress=quiet)
    assert torch.equal(source.square(3), square_of(pairs[3], 64))
    path = source.path
    assert path.exists()
    del source
    gc.collect()
    assert not path.exists()


def test_where_there_is_no_nameless_memory_a_temporary_file_does(
    pairs: PAIRS, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = open_in_memory(pairs, 64, workers=0, on_progress=quiet)
    assert torch.equal(source.square(3), square_of(pairs[3], 64))
    assert source.path.parent == tmp_path
    del source
    gc.collect()
    assert list(tmp_path.glob("decamo-*")) == []


def test_no_memory_is_told_with_a_way_out(pairs: PAIRS, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(os, "truncate", none)
    with pytest.raises(StorageError, match=r"--cache ram: Cannot allocate.*--cache off"):
        open_in_memory(pairs, 64, workers=0, on_progress=quiet)
