"""8 bits: what is written, what its loss is, and when it is refused."""

import itertools
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import decamo
from decamo.cli import main
from decamo.data.layouts import find_pairs
from decamo.data.reading import read_pair
from decamo.errors import ExportError
from decamo.export import quantize
from decamo.export.description import Int8
from decamo.export.exported_predictor import open_graph
from decamo.export.quantize import MOST_LOSS, insist_on_use
from decamo.metrics import score


@pytest.fixture(scope="module")
def eight_bits(
    tiny: decamo.Model, scenes: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Int8]:
    path = tmp_path_factory.mktemp("int8") / "tiny.onnx"
    tiny.export(path, dataset_path=scenes, int8=True, int8_anyway=True)
    held = open_graph(path)[1].int8
    assert held is not None
    return path, held


def test_convolutions_are_of_8_bits(eight_bits: tuple[Path, Int8], onnx_file: Path) -> None:
    nodes = onnx.load(eight_bits[0]).graph.node
    made_by = {name: node for node in nodes for name in node.output}
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    assert convolutions
    for node, weights in itertools.product(convolutions, (0, 1)):
        assert made_by[node.input[weights]].op_type == "DequantizeLinear"
    assert not any("Quantize" in node.op_type for node in onnx.load(onnx_file).graph.node)


def test_its_loss_is_that_of_its_maps(
    eight_bits: tuple[Path, Int8], onnx_file: Path, scenes: Path
) -> None:
    path, held = eight_bits
    with_object = [p for p in map(read_pair, find_pairs([scenes], "train").pairs) if p[1].any()]
    others = [pair for number, pair in enumerate(with_object) if number % 3]
    assert (held.calibrated_on, held.measured_on) == (len(with_object[::3]), len(others))
    before, after = decamo.load(onnx_file), decamo.load(path)
    losses = []
    for image, mask in others:
        maps = [m.predict(image).probability for m in (before, after)]
        assert not np.array_equal(maps[0], maps[1])
        ious = [score(found, mask).iou for found in maps]
        losses.append(ious[0] - ious[1])
    assert held.iou_loss == pytest.approx(np.mean(losses), abs=1e-9)
    assert held.worst_loss == pytest.approx(max(losses), abs=1e-9)


@pytest.mark.parametrize(
    ("loss", "speed", "why"),
    [(0.0, 1.5, ""), (MOST_LOSS, 1.01, ""), (0.0101, 3.0, "loses 0.0101"), (-0.1, 1.0, "1/1.00")],
)
def test_what_costs_or_brings_nothing_is_refused(loss: float, speed: float, why: str) -> None:
    found = Int8(loss, 0.2, speed, calibrated_on=8, measured_on=16)
    if not why:
        insist_on_use(found)
        return
    with pytest.raises(ExportError, match=rf"{why}.*--int8-anyway"):
        insist_on_use(found)


def test_what_is_refused_leaves_no_file(
    tiny: decamo.Model,
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(quantize, "_times", lambda passes: [1.0 for _ in passes])
    out = tmp_path / "tiny.onnx"
    words = ["export", str(tiny.path), "--network", tiny.score_options()["network"]]
    words += ["--out", str(out), "--dataset-path", str(scenes)]
    assert main([*words, "--int8"]) == 2
    assert "takes 1/1.00 of the time" in capsys.readouterr().err
    assert not out.exists()
    assert main([*words, "--int8-anyway", "--json", str(tmp_path / "a.json")]) == 0
    assert "1.00 times as fast here" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["description"]["int8"]["speed"] == 1.0


def test_without_masks_nothing_can_be_measured(
    tiny: decamo.Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(tiny.path), "--network", tiny.score_options()["network"]]
    assert main([*words, "--out", str(tmp_path / "a.onnx"), "--int8"]) == 2
    assert "--dataset-path" in capsys.readouterr().err
