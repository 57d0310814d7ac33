"""``import decamo`` is the product: what it offers, and that its examples run as they stand."""

import copy
import doctest
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import decamo
from decamo.cli import main
from decamo.errors import DataError, SettingsError
from decamo.export.graph import Traced, trace
from decamo.nn import SegmentationNetwork
from tests.foreign_files import forms, network, network_file

ROOT = Path(__file__).parents[2]
TINY = {
    "backbone": "test_efficientnet",
    "num_experts": 1,  # to trace a network takes as long as it has nodes
    "pretrained": False,
    "device": "cpu",
    "img_size": 64,  # from which on what is exported takes every size
    "stage1_epochs": 1,
    "batch_size": 4,
    "num_workers": 0,
    "val_fraction": 0.2,
}
PLATEAU = "".join(
    f"Epoch {n}: Loss: 0.2330 | IoU: {0.62 + 0.0004 * (n % 3):.4f} | Dice: 0.7400 | LR: 0.000050\n"
    for n in range(31, 107)
)


@pytest.fixture(scope="module")
def checkpoint(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    result = decamo.train(TINY, dataset_path=scenes, epochs=2, checkpoint_dir=folder)
    assert (result.stopped, result.best_epoch) == ("", result.outcome["best_epoch"])
    return result.folder.best


@pytest.fixture
def photo(tmp_path: Path, scenes: Path) -> Path:
    first = sorted((scenes / "Test" / "Image").iterdir())[0]
    path = tmp_path / "photo.jpg"
    with Image.open(first) as picture:
        picture.convert("RGB").save(path, quality=95)
    return path


@pytest.fixture
def names(
    checkpoint: Path, photo: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, object]:
    """What the examples in docstrings speak of; they write into a folder of their own."""
    network_file(tmp_path)
    torch.save(forms(network())["numpy_scalar"], tmp_path / "their.pth")
    log = tmp_path / "log.txt"
    log.write_text(PLATEAU)
    monkeypatch.chdir(tmp_path)
    tiny = TINY | {"dataset_path": scenes}
    own = {"decamo": decamo, "checkpoint": checkpoint, "photo": photo, "log": log}
    return own | {"tiny": tiny, "scenes": scenes}


@pytest.fixture(scope="module", autouse=True)
def _traced_once() -> Iterator[None]:
    """Two pages export that checkpoint; to trace it takes longer than all else that they do."""
    known: dict[tuple[float, ...], Traced] = {}

    def traced(network: SegmentationNetwork, size: int) -> Traced:
        key = (float(size), *(float(p.detach().sum()) for p in network.parameters()))
        if key not in known:
            known[key] = trace(network, size)
        return copy.deepcopy(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("decamo.export.writing.trace", traced)
        yield


OBJECTS = [name for name in decamo.__all__ if name not in ("__version__", "metrics")]
HOW = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", OBJECTS)
def test_each_name_s_examples_run_as_they_stand(name: str, names: dict[str, object]) -> None:
    value = getattr(decamo, name)
    finder = doctest.DocTestFinder(recurse=True, exclude_empty=True)
    found = finder.find(value, name, globs=dict(names), module=False)
    runner = doctest.DocTestRunner(optionflags=HOW)
    for one in found:
        runner.run(one)
    assert runner.failures == 0


def test_the_page_s_block_runs_as_it_stands(
    checkpoint: Path, names: dict[str, object], scenes: Path, tmp_path: Path
) -> None:
    config = (checkpoint.parent / "config.toml").read_text()
    (tmp_path / "runs").mkdir()
    # an example may have raced the checkpoint in its own folder
    shutil.copytree(
        checkpoint.parent, tmp_path / "runs" / "x", ignore=shutil.ignore_patterns("escape*")
    )
    moved = config.replace(str(checkpoint.parent), str(tmp_path / "runs" / "x"))
    assert moved != config
    (tmp_path / "runs" / "x" / "config.toml").write_text(moved)
    shutil.copy(checkpoint, tmp_path / "best_model.pth")
    (tmp_path / "COD10K-v3").symlink_to(scenes)
    (tmp_path / "train.log").write_text(PLATEAU)
    page = (ROOT / "docs" / "reference" / "decamo.md").read_text()
    block = page.split("```python\n")[1].split("```")[0]
    space: dict[str, object] = {}
    exec(compile(block, "docs/reference/decamo.md", "exec"), space)
    assert {"model.onnx", "shared", "maps"} <= {path.name for path in tmp_path.iterdir()}
    assert json.loads((tmp_path / "runs" / "x" / "escape" / "outcome.json").read_text())
    assert (tmp_path / "runs" / "adopted" / "last.pth").is_file()
    assert (tmp_path / "runs" / "x" / "report.html").is_file()


def test_importing_it_loads_nothing_of_others() -> None:
    code = "import sys, decamo; print(*(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "numpy", "timm", "PIL", "rich", "scipy"}


def test_every_name_is_there_and_documented() -> None:
    assert set(decamo.__all__) <= set(dir(decamo))
    for name in OBJECTS:
        assert (getattr(decamo, name).__doc__ or "").strip(), name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        decamo.trian  # noqa: B018


def test_rooms_do_not_hide_calls() -> None:
    """Importing a submodule binds its name in the package, whatever stood there."""
    for name in ("api.planning", "api.racing", "schedule", "races", "cli", "metrics"):
        importlib.import_module(f"decamo.{name}")
    for name in ("plan", "escape", "evaluate", "train", "load"):
        assert callable(getattr(decamo, name))


class TestPredict:
    def test_a_file_a_picture_and_an_array_give_the_same(
        self, checkpoint: Path, photo: Path
    ) -> None:
        model = decamo.load(checkpoint, device="cpu")
        with Image.open(photo) as picture:
            of_picture, array = model.predict(picture), np.asarray(picture)
        of_file, of_array = model.predict(str(photo)), model.predict(array)
        assert isinstance(of_file, decamo.Prediction)
        for other in (of_picture, of_array):
            assert isinstance(other, decamo.Prediction)
            assert np.array_equal(of_file.probability, other.probability)

    def test_a_folder_a_pattern_and_a_list_give_one_after_the_other(
        self, checkpoint: Path, photo: Path
    ) -> None:
        (photo.parent / "more").mkdir()
        Image.new("RGB", (40, 30)).save(photo.parent / "more" / "b.png")
        (photo.parent / "notes.txt").write_text("no image")
        model = decamo.load(checkpoint, device="cpu")
        files: list[str | Path] = [photo, str(photo.parent / "more" / "b.png")]
        pattern = f"{photo.parent}/**/*.[jp][pn]g"
        for several in (photo.parent, pattern, files):
            found = model.predict(several)
            assert not isinstance(found, decamo.Prediction)
            shapes = sorted(one.probability.shape for one in found)
            assert shapes == [(30, 40), (64, 64)]

    @pytest.mark.parametrize(
        ("image", "got"),
        [
            (np.zeros((4, 5), np.uint8), "uint8 4x5"),
            (np.zeros((4, 5, 3), np.float32), "float32 4x5x3"),
            (np.zeros((4, 5, 4), np.uint8), "uint8 4x5x4"),
            ("nowhere/*.jpg", "no such image, folder or pattern"),
        ],
    )
    def test_what_is_no_image_is_one_line(
        self, checkpoint: Path, image: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", got: str
    ) -> None:
        with pytest.raises(DataError, match=got):
            decamo.load(checkpoint, device="cpu").predict(image)

    def test_a_prediction_shows_itself(self, checkpoint: Path, photo: Path) -> None:
        found = decamo.load(checkpoint, device="cpu").predict(photo)
        assert isinstance(found, decamo.Prediction)
        assert found._repr_html_().startswith('<figure><img src="data:image/png;base64,iVBOR')
        assert found.overlay().size == (64, 64)


class TestTrain:
    def test_events_come_to_every_callback_and_the_folder_is_the_command_s(
        self, scenes: Path, tmp_path: Path
    ) -> None:
        seen: list[str] = []
        result = decamo.train(
            TINY,
            dataset_path=scenes,
            epochs=2,
            checkpoint_dir=tmp_path / "run",
            callbacks=[lambda event: seen.append(type(event).__name__)],
        )
        assert seen.count("EpochDone") == 2
        assert {p.name for p in result.folder.root.iterdir()} >= {
            "best_model.pth", "last.pth", "journal.jsonl", "config.toml", "plan.png", "census.json",
        }  # fmt: skip

    def test_a_run_goes_on_from_its_own_file_of_settings(
        self, checkpoint: Path, tmp_path: Path
    ) -> None:
        config = checkpoint.parent / "config.toml"
        result = decamo.train(
            config, epochs=3, resume_from=checkpoint, checkpoint_dir=tmp_path / "on"
        )
        assert result.outcome["epoch"] == 3

    def test_a_slip_in_a_name_is_one_line(self) -> None:
        with pytest.raises(SettingsError, match="did you mean epochs"):
            decamo.train(epoch=3)


class TestRun:
    def test_it_shows_itself(self, names: dict[str, object]) -> None:
        run = decamo.Run(str(names["log"]))
        assert 'srcdoc="' in run.diagnose()._repr_html_()
        curves = run.plot(target=0.72)
        assert "<svg" in curves.html
        assert curves.save("curves.html").read_text().startswith("<!doctype html>")

    def test_a_target_that_is_no_iou_is_one_line(self, names: dict[str, object]) -> None:
        with pytest.raises(SettingsError, match="--target"):
            decamo.Run(str(names["log"])).diagnose(72)


def test_a_plan_shows_itself_and_is_the_resume_s(checkpoint: Path) -> None:
    laid = decamo.plan(resume_from=checkpoint, epochs=9)
    assert laid.resumption.kind == "extend"
    assert "extend: --epochs 2 -> 9" in str(laid)
    assert laid._repr_html_().startswith("<img")
    step = laid.resumption.position.step
    assert laid.lr(step) == laid.resumption.lineage.plan.lr(step)


class TestEvaluate:
    def test_it_gives_what_the_command_writes(
        self, checkpoint: Path, scenes: Path, tmp_path: Path
    ) -> None:
        report = tmp_path / "report.json"
        words = ["evaluate", str(checkpoint), "--dataset-path", str(scenes), "--device", "cpu"]
        assert main([*words, "--resamples", "0", "--json", str(report)]) == 0
        scored = decamo.evaluate(checkpoint, scenes, device="cpu", resamples=0)
        told = json.loads(report.read_text())
        assert json.loads(json.dumps(scored.to_plain(), default=str)) == {
            key: value for key, value in told.items() if key != "decamo"
        }
        assert scored._repr_html_().startswith("<pre>")

    def test_a_folder_of_maps_is_scored_as_well(self, scenes: Path) -> None:
        masks = scenes / "Test" / "GT_Object"
        assert decamo.evaluate(masks, scenes, resamples=0).iou == 1

    def test_a_word_that_is_not_known_is_one_line(self, scenes: Path) -> None:
        with pytest.raises(SettingsError, match="--protocol"):
            decamo.evaluate(scenes, scenes, protocol="official")
