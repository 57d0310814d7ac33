"""Flags that cannot be meant together, and places that are not what they should be."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import decamo
from decamo.api.planning import count_images
from decamo.api.predict_once import _no_video, _sources
from decamo.cli import main
from decamo.errors import CheckpointMissing, DecamoError, SettingsError, StorageError
from decamo.extras import missing_extras
from decamo.inference import prediction_log
from decamo.inference.inputs import images_under
from decamo.inference.items import PackedItems
from decamo.inference.model_digest import model_digest
from decamo.inference.pretrained_folder import _read_config
from decamo.settings import DataSettings


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (40, 30), "gray").save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--batch", "0"], "--batch: got 0; 1 is one image at a time"),
        (["--resume"], "--resume: there is no --jsonl; name the file"),
        (["--workers", "2"], "--workers: there is no --on; say where: --on ray"),
        (["--instances"], "--instances: there is no --write; say what"),
    ],
)
def test_predict(
    trained: Path, photo: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    code = main(["predict", str(trained), str(photo), "--out", str(photo.parent / "out"), *words])
    assert code == 2
    assert line in capsys.readouterr().err
    assert not (photo.parent / "out").exists()


def test_export(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.onnx"
    assert main(["export", str(trained), "--out", str(out), "--compare", "0"]) == 2
    assert "--compare: got 0; give 1 or more" in capsys.readouterr().err
    with pytest.raises(SettingsError, match=r"--to: safetensors is a folder; use Model\.save_pre"):
        decamo.load(trained, device="cpu").export(tmp_path / "out", to="safetensors")
    with pytest.raises(SettingsError, match="--to: got tflite; choose from onnx, openvino"):
        decamo.load(trained, device="cpu").export(tmp_path / "out", to="tflite")
    assert [*tmp_path.iterdir()] == []


def test_convert(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "convert", str(scenes), str(tmp_path / "out"), "--to", "coco"]
    assert main([*words, "--tolerance", "-1"]) == 2
    assert "--tolerance: got -1; give 0 px or more" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_report_without_data(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report of predictions that are no folder."""
    words = ["evaluate", "--predictions", str(tmp_path / "none"), "--masks", str(tmp_path)]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert str(tmp_path) in err


def test_a_plan_counts_the_images_of_a_data_set_by_their_names(scenes: Path) -> None:
    names = [path.stem for path in (scenes / "Train" / "Image").iterdir()]
    camouflaged = sum("NonCAM" not in name for name in names)
    assert 0 < camouflaged < len(names)
    for noncam, count in (("drop", camouflaged), ("negatives", len(names))):
        data = DataSettings(dataset_path=(scenes,), val_fraction=0.2, noncam=noncam)
        assert count_images(data) == count - round(count * 0.2)
    with pytest.raises(DecamoError, match="--dataset-path: not given"):
        count_images(DataSettings())


class TestOneImageOrMany:
    def test_a_file_is_one_and_a_folder_is_many(self, photo: Path) -> None:
        assert _sources(photo) == ([photo], True)
        assert _sources(str(photo.parent)) == ([photo], False)

    def test_a_video_is_not_for_workers(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"--on: .*moth\.mp4 is a video, whose frames"):
            _no_video([tmp_path / "moth.mp4"])

    def test_workers_without_a_cluster_are_refused(self, trained: Path, photo: Path) -> None:
        with pytest.raises(SettingsError, match="--workers: there is no --on"):
            decamo.predict(trained, photo, workers=2)

    def test_a_model_says_what_it_is(self, trained: Path) -> None:
        model = decamo.load(trained, device="cpu")
        assert repr(
            model
        ) == f"Model({str(trained)!r}: {model.trained.weights} weights of epoch" + (
            f" {model.trained.epoch}, at {model.predictor.size} px)"
        )

    def test_files_and_pixels_may_be_mixed(self, trained: Path, photo: Path) -> None:
        model = decamo.load(trained, device="cpu")
        pixels = np.asarray(Image.open(photo))
        first, second = model.predict([photo, pixels])
        assert first.source == photo
        assert second.source is None
        assert np.array_equal(first.probability, second.probability)


class TestFilesOfPredictions:
    def test_a_folder_without_an_image_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DecamoError, match="holds no image; name a folder of images"):
            images_under(tmp_path)

    def test_lines_that_are_none_are_passed_by(self, tmp_path: Path) -> None:
        path = tmp_path / "log.jsonl"
        path.write_bytes(b'{"a": 1}\n{"a"\n[1]\n{"b": 2}\n{"half": 3}')
        assert [plain for _, plain in prediction_log._plain_lines(path)] == [{"a": 1}, {"b": 2}]

    def test_a_log_in_no_folder_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="No such file or directory"):
            prediction_log._opened(tmp_path / "none" / "log.jsonl")

    def test_a_network_that_cannot_be_read_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("m.xml", "m.bin"):
            (tmp_path / name).write_bytes(name.encode())
        before = model_digest(tmp_path / "m.xml")
        (tmp_path / "m.bin").write_bytes(b"other weights")
        assert model_digest(tmp_path / "m.xml") != before  # they are beside it

        def fail(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", fail)
        with pytest.raises(StorageError, match="Permission denied"):
            model_digest(tmp_path / "m.xml")

    def test_a_folder_of_a_network_without_its_config_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointMissing, match=r"config\.json: no such file"):
            _read_config(tmp_path / "config.json")

    def test_lists_of_other_things_are_not_equal(self) -> None:
        assert PackedItems(()) != [1]
        assert PackedItems(()) == PackedItems(())


def test_a_package_of_no_extra_is_not_explained() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), missing_extras():
        raise ModuleNotFoundError("No module named 'no_such_package'", name="no_such_package")
