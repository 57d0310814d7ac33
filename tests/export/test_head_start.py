"""A file that is opened beside the imports: the same session as without, or nothing at all."""

import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decamo.cli import main
from decamo.errors import CheckpointForeign
from decamo.export import onnx_graph
from decamo.export.description import LOGITS, Callers
from decamo.export.exported_predictor import open_graph
from decamo.export.head_start import head_start, opened_beside


@pytest.fixture
def copy(onnx_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(onnx_file, tmp_path / "net.onnx"))


def test_it_is_taken_once_and_answers_as_one_that_was_not_begun(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)
    alone = open_graph(copy)[0](image, LOGITS)
    with head_start([str(copy), "photo.jpg", "--out", "maps"]):
        monkeypatch.setattr(onnx_graph, "new_session", pytest.fail)
        assert np.array_equal(open_graph(copy)[0](image, LOGITS), alone)
        assert opened_beside(copy) is None


def test_a_file_that_was_written_since_is_opened_anew(copy: Path, onnx_file: Path) -> None:
    with head_start([str(copy)]):
        shutil.copyfile(onnx_file, copy.with_suffix(".new"))
        copy.with_suffix(".new").replace(copy)
        assert opened_beside(copy) is None


def test_another_file_and_other_callers_get_their_own(
    copy: Path, onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with head_start([str(copy)]):
        assert opened_beside(onnx_file) is None
    with head_start([str(copy)]):
        monkeypatch.setattr(onnx_graph, "opened_beside", pytest.fail)
        open_graph(copy, Callers(2, 1))


def test_what_nobody_takes_is_forgotten(copy: Path) -> None:
    with head_start([str(copy)]):
        pass
    assert opened_beside(copy) is None


def test_a_damaged_file_is_told_by_whoever_needs_it(copy: Path) -> None:
    copy.write_bytes(b"no network")
    with head_start([str(copy)]), pytest.raises(CheckpointForeign):
        open_graph(copy)


@pytest.mark.parametrize("name", ["best_model.pth", "missing.onnx", "n" * 300 + ".onnx", ""])
def test_no_thread_begins_where_no_file_is_named(copy: Path, name: str) -> None:
    before = threading.active_count()
    with head_start([name, "--jsonl", str(copy)]):
        assert threading.active_count() == before


def test_without_onnxruntime_a_line_says_how_to_get_it(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "decamo.export.onnx_session")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["predict", str(copy), "photo.jpg", "--out", str(tmp_path / "maps")]) == 2
    assert "pip install 'decamo[onnx]'" in capsys.readouterr().err


def test_predict_writes_the_same_maps(
    copy: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = min((scenes / "Test" / "Image").iterdir())
    taken: list[Any] = []

    def heard(path: Path) -> Any:
        taken.append(opened_beside(path))
        return taken[-1]

    monkeypatch.setattr(onnx_graph, "opened_beside", heard)
    first, out = ["predict", str(copy), str(photo)], str(tmp_path / "one")
    assert main([*first, "--out", out]) == 0
    assert main(["predict", "--out", str(tmp_path / "two"), *first[1:]]) == 0
    assert [one is not None for one in taken] == [True, False]
    one, two = (next((tmp_path / out).iterdir()).read_bytes() for out in ("one", "two"))
    assert one == two
