"""A tiny network, exported: the same maps, the same table, no torch."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest

import decamo
from decamo.api.remote_network import remote_network
from decamo.cli import main
from decamo.errors import CheckpointForeign, CheckpointMissing, ModelError, SettingsError
from decamo.export import openvino_graph
from decamo.export.description import LOGITS
from decamo.export.exported_predictor import open_exported, open_graph

ROOT = Path(__file__).parents[2]
BLOCKED = ("torch", "torchvision", "timm", "scipy", "matplotlib", "onnx", "onnxscript")


def without_torch(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command where none of the blocked packages can be imported."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({BLOCKED!r})); "
        "from decamo.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def photos(scenes: Path) -> Path:
    return scenes / "Test" / "Image"


@pytest.fixture(params=["onnx", "openvino"])
def exported(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(f"{request.param}_file")
    return path


def maps(model: decamo.Model, source: Any) -> list[np.ndarray[Any, Any]]:
    return [one.probability for one in model.predict(source)]


def test_its_maps_are_those_of_torch(tiny: decamo.Model, exported: Path, scenes: Path) -> None:
    ours, theirs = maps(tiny, photos(scenes)), maps(decamo.load(exported), photos(scenes))
    assert len(ours) == 4
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert other == pytest.approx(one, abs=1e-5)
        assert np.ptp(one) > 0.05  # a flat map would be equal for nothing


def test_threads_that_ask_at_once_get_what_one_gets(exported: Path) -> None:
    predictor = open_exported(exported)[1]
    rng = np.random.default_rng(3)
    images = [rng.integers(0, 256, (30 + n, 40, 3), dtype=np.uint8) for n in range(24)]
    expected = [predictor.predict([image])[0] for image in images]
    many = predictor.for_threads(3, 7)
    assert many is not None
    with ThreadPoolExecutor(3) as threads:
        # Also one that was not asked for this: a person may share a model among threads.
        for one, other in zip(
            threads.map(predictor.predict, [[i] for i in images]), expected, strict=True
        ):
            assert np.array_equal(one[0], other)
        for one, other in zip(
            threads.map(many.predict, [[i] for i in images]), expected, strict=True
        ):
            assert one[0] == pytest.approx(other, abs=1e-6)
    assert predictor.for_threads(1, 1) is None  # a core has nothing to share


def test_a_worker_of_a_cluster_loads_it_as_it_is_here(onnx_file: Path, scenes: Path) -> None:
    here = decamo.load(onnx_file, decide="iou", img_size=96)
    there = remote_network(here, "cpu", "fp32").load()
    assert (there.predictor.decision, there.predictor.size) == ("iou", 96)
    for one, other in zip(maps(here, photos(scenes)), maps(there, photos(scenes)), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("how", [{"views": decamo.Views(flips=True)}, {"decide": "iou"}])
def test_views_and_decisions_are_those_of_torch(
    tiny: decamo.Model, onnx_file: Path, scenes: Path, how: dict[str, Any]
) -> None:
    network = tiny.score_options()["network"]
    ours = decamo.load(tiny.path, device="cpu", network=network, **how)
    for one, other in zip(
        maps(ours, photos(scenes)),
        maps(decamo.load(onnx_file, **how), photos(scenes)),
        strict=True,
    ):
        assert other == pytest.approx(one, abs=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 32), (96, 160)])
@pytest.mark.parametrize("batch", [1, 5])
def test_the_graph_takes_other_sizes_and_batches(
    onnx_file: Path, height: int, width: int, batch: int
) -> None:
    graph, _ = open_graph(onnx_file)
    images = np.random.default_rng(0).integers(0, 256, (batch, 3, height, width), dtype=np.uint8)
    logits, probability = graph(images, "logits"), graph(images, "probability")
    assert logits.shape == (batch, 1, height, width)
    assert probability == pytest.approx(1 / (1 + np.exp(-logits.astype(float))), abs=1e-6)
    alone = graph(images[-1:], "logits")
    assert logits[-1:] == pytest.approx(alone, abs=1e-5)


def test_it_says_what_it_is(tiny: decamo.Model, exported: Path) -> None:
    _, held = open_graph(exported)
    assert (held.trained.img_size, held.threshold, held.multiple) == (64, 0.5, 32)
    assert held.trained.rules == tiny.trained.rules
    assert held.parity is not None
    assert held.parity.largest < 1e-5
    assert len(held.checkpoint) == 64
    assert held.int8 is None


def test_no_path_of_this_machine_is_in_it(onnx_file: Path) -> None:
    bytes_ = onnx_file.read_bytes()
    assert str(ROOT).encode() not in bytes_
    assert b"site-packages" not in bytes_


def test_the_table_is_that_of_the_network(tiny: decamo.Model, exported: Path, scenes: Path) -> None:
    ours = decamo.evaluate(tiny, scenes, resamples=0)
    theirs = decamo.evaluate(decamo.load(exported), scenes, resamples=0)
    for one, other in zip(ours.scores, theirs.scores, strict=True):
        was, now = (
            {name: value for name, value in vars(s.whole.scores).items() if np.isscalar(value)}
            for s in (one, other)
        )
        assert len(was) == 22
        assert now == pytest.approx(was, abs=5e-5)


def test_predict_and_evaluate_need_no_torch(exported: Path, scenes: Path, tmp_path: Path) -> None:
    done = without_torch(
        "predict", str(exported), str(photos(scenes)), "--out", "maps", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "maps").glob("*.png"))) == 4
    scored = without_torch(
        "evaluate", str(exported), "--dataset-path", str(scenes), "--json", "s.json", cwd=tmp_path
    )
    assert scored.returncode == 0, scored.stderr
    (held,) = json.loads((tmp_path / "s.json").read_text())["datasets"]
    assert held


def test_logs_and_maps_need_no_torch(scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(
        "Epoch 106: Loss: 0.2330 | IoU: 0.6281 | Dice: 0.7400 | LR: 0.000092\n"
    )
    told = without_torch("diagnose", "log.txt", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    masks = str(scenes / "Test" / "GT_Object")
    scored = without_torch("evaluate", "--predictions", masks, "--masks", masks, cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "best_model.pth", "x.png", "--out", "maps"),
        ("train", "--dataset-path", "data"),
        ("export", "best_model.pth"),
        ("models",),
    ],
)
def test_what_needs_torch_says_how_to_get_it(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(onnx.__version__.encode())
    done = without_torch(*words, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "not installed, and this needs it" in line
    assert line.endswith("pip install 'decamo[train]'")


def test_the_face_says_how_to_get_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import decamo\n"
        "try:\n    decamo.load('x.pth')\n"
        "except decamo.DecamoError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("pip install 'decamo[train]'")


def test_openvino_compiles_for_each_shape_and_for_all_once_there_are_many(
    onnx_file: Path, openvino_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    compiled = openvino.compile_model

    def counted(model: Any, *words: Any) -> Any:
        made.append(model.input(0).partial_shape.is_static)
        return compiled(model, *words)

    monkeypatch.setattr(openvino, "compile_model", counted)
    monkeypatch.setattr(openvino_graph, "_MOST_SIZES", 2)
    (graph, described), (other, _) = open_graph(openvino_file), open_graph(onnx_file)
    rng, side = np.random.default_rng(0), described.trained.img_size
    for count in (1, 1, 2, 3, 4, 1):
        images = rng.integers(0, 256, (count, 3, side, side), dtype=np.uint8)
        assert graph(images, LOGITS) == pytest.approx(other(images, LOGITS), abs=1e-4)
    assert made == [True, True, False]


def test_openvino_reports_to_nobody() -> None:
    code = (
        "import sys, multiprocessing, decamo.export.openvino_graph as _; "
        "print(sys.modules['openvino_telemetry'], multiprocessing.active_children())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "[]"]


class TestRefused:
    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointMissing):
            decamo.load(tmp_path / "no.onnx")

    @pytest.mark.parametrize("name", ["x.onnx", "x.xml"])
    def test_a_file_of_another_kind(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"no network")
        with pytest.raises(CheckpointForeign):
            decamo.load(tmp_path / name)

    def test_a_graph_of_others(self, onnx_file: Path, tmp_path: Path) -> None:
        model = onnx.load(onnx_file)
        del model.metadata_props[:]
        onnx.save(model, tmp_path / "other.onnx")
        with pytest.raises(CheckpointForeign, match="does not say how images"):
            decamo.load(tmp_path / "other.onnx")

    @pytest.mark.parametrize(
        ("how", "flag"),
        [
            ({"img_size": 65}, "--img-size"),
            ({"img_size": 8192}, "--img-size"),
            ({"device": "cuda"}, "--device"),
            ({"precision": "fp16"}, "--precision"),
            ({"views": decamo.Views(scales=(1.0, 1.5))}, "--scales"),
            ({"views": decamo.Views(closer=True)}, "--look-closer"),
        ],
    )
    def test_what_a_graph_cannot(self, onnx_file: Path, how: dict[str, Any], flag: str) -> None:
        with pytest.raises(SettingsError, match=flag):
            decamo.load(onnx_file, **how)

    def test_exporting_what_is_exported(self, onnx_file: Path, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="checkpoint that it was made from"):
            decamo.load(onnx_file).export(tmp_path / "again.onnx")

    def test_a_name_that_says_nothing(self, tiny: decamo.Model, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="--out"):
            tiny.export(tmp_path / "model.pt")


def test_the_command_writes_and_prints(onnx_command: tuple[Path, str]) -> None:
    path, printed = onnx_command
    assert "largest difference of a probability" in printed
    report = json.loads(path.with_suffix(".json").read_text())
    assert report["description"]["parity"]["batches"] == [1, 5]
    assert decamo.load(path).trained.epoch == 3


def test_safetensors_is_the_folder_of_save_pretrained(tiny: decamo.Model, tmp_path: Path) -> None:
    network = tiny.score_options()["network"]
    out = str(tmp_path / "given")
    assert main(["export", str(tiny.path), "--network", network, "--out", out]) == 0
    assert decamo.load(out, device="cpu", network=network).trained.epoch == 3
