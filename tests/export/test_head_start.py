"""A file that is opened beside the imports: the same session as without, or nothing at all."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decamo import cli
from decamo.cli import main
from decamo.errors import CheckpointForeign
from decamo.export import head_start, onnx_graph
from decamo.export.description import LOGITS, Callers
from decamo.export.exported_predictor import open_graph
from decamo.export.head_start import open_beside, opened_beside


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    for opening in head_start._under_way:
        opening.join()
    head_start._under_way.clear()


@pytest.fixture
def copy(onnx_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(onnx_file, tmp_path / "net.onnx"))


def test_it_is_taken_once_and_answers_as_one_that_was_not_begun(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)
    alone = open_graph(copy)[0](image, LOGITS)
    open_beside(["photo.jpg", str(copy), "--out", "maps"])
    monkeypatch.setattr(onnx_graph, "new_session", pytest.fail)
    assert np.array_equal(open_graph(copy)[0](image, LOGITS), alone)
    assert opened_beside(copy) is None


def test_a_file_that_was_written_since_is_opened_anew(copy: Path, onnx_file: Path) -> None:
    open_beside([str(copy)])
    copy.unlink()
    shutil.copyfile(onnx_file, copy)
    assert opened_beside(copy) is None


def test_another_file_and_other_callers_get_their_own(
    copy: Path, onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_beside([str(copy)])
    assert opened_beside(onnx_file) is None
    open_beside([str(copy)])
    monkeypatch.setattr(onnx_graph, "opened_beside", pytest.fail)
    open_graph(copy, Callers(2, 1))


def test_a_damaged_file_is_told_by_whoever_needs_it(copy: Path) -> None:
    copy.write_bytes(b"no network")
    open_beside([str(copy)])
    with pytest.raises(CheckpointForeign):
        open_graph(copy)


def test_no_thread_begins_where_no_file_is_named(tmp_path: Path) -> None:
    before = threading.active_count()
    open_beside(["best_model.pth", str(tmp_path / "missing.onnx"), "--out", str(tmp_path)])
    assert threading.active_count() == before


def test_predict_writes_the_same_maps(
    copy: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = min((scenes / "Test" / "Image").iterdir())
    taken: list[Any] = []

    def heard(path: Path) -> Any:
        taken.append(opened_beside(path))
        return taken[-1]

    monkeypatch.setattr(onnx_graph, "opened_beside", heard)
    for out in ("one", "two"):
        assert main(["predict", str(copy), str(photo), "--out", str(tmp_path / out)]) == 0
        monkeypatch.setattr(cli, "open_beside", lambda words: None)
    assert [one is not None for one in taken] == [True, False]
    one, two = (next((tmp_path / out).iterdir()).read_bytes() for out in ("one", "two"))
    assert one == two
