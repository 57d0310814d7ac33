"""8 bits: what is written, what its loss is, and when it is refused."""

import io
import itertools
import json
from contextlib import redirect_stdout
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


def words(tiny: decamo.Model, scenes: Path, out: Path) -> list[str]:
    network = ["--network", tiny.score_options()["network"]]
    return ["export", str(tiny.path), *network, "--out", str(out), "--dataset-path", str(scenes)]


@pytest.fixture(scope="module")
def command(
    tiny: decamo.Model, scenes: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """What the command wrote, and printed; its report lies beside it."""
    path = tmp_path_factory.mktemp("int8") / "tiny.onnx"
    report = ["--json", str(path.with_suffix(".json"))]
    with redirect_stdout(io.StringIO()) as printed:
        assert main([*words(tiny, scenes, path), "--int8-anyway", *report]) == 0
    return path, printed.getvalue()


@pytest.fixture(scope="module")
def eight_bits(command: tuple[Path, str]) -> tuple[Path, Int8]:
    held = open_graph(command[0])[1].int8
    assert held is not None
    return command[0], held


def test_the_command_says_what_the_file_holds(
    command: tuple[Path, str], eight_bits: tuple[Path, Int8]
) -> None:
    path, held = eight_bits
    assert f"{held.speed:.2f} times as fast here" in command[1]
    told = json.loads(path.with_suffix(".json").read_text())["description"]["int8"]
    assert told["speed"] == held.speed > 0


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
    assert main([*words(tiny, scenes, out), "--int8"]) == 2
    assert "takes 1/1.00 of the time" in capsys.readouterr().err
    assert not out.exists()


def test_without_masks_nothing_can_be_measured(
    tiny: decamo.Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_data = words(tiny, tmp_path, tmp_path / "a.onnx")[:-2]
    assert main([*no_data, "--int8"]) == 2
    assert "--dataset-path" in capsys.readouterr().err
