import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

import decamo
from decamo.errors import CheckpointError, CheckpointForeign, SettingsError
from decamo.inference.load_model import load_model
from decamo.inference.pretrained_folder import LARGEST
from tests.foreign_files import network_file
from tests.inference.conftest import TINY


@pytest.fixture
def photo() -> Any:
    return np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)


def map_of(model: decamo.Model, image: Any) -> Any:
    found = model.predict(image)
    assert isinstance(found, decamo.Prediction)
    return found.probability


def test_what_is_loaded_again_is_the_same_network(
    checkpoint: Path, photo: Any, tmp_path: Path
) -> None:
    model = decamo.load(checkpoint, device="cpu")

    again = decamo.load(model.save_pretrained(tmp_path / "given"), device="cpu")

    first, second = map_of(model, photo), map_of(again, photo)
    assert np.array_equal(first, second)
    before, after = model.loaded, again.loaded
    assert (before.img_size, before.epoch, before.weights) == (32, after.epoch, "average")
    assert (after.rules, after.lineage, after.best_iou) == (
        before.rules,
        before.lineage,
        before.best_iou,
    )


def test_others_find_what_they_expect_in_it(checkpoint: Path, tmp_path: Path) -> None:
    model = decamo.load(checkpoint, device="cpu")

    folder = model.save_pretrained(tmp_path / "given", license="apache-2.0")

    weights = safetensors.torch.load_file(folder / "model.safetensors")
    assert all(torch.equal(v, weights[k]) for k, v in model.loaded.model.state_dict().items())
    config = json.loads((folder / "config.json").read_text())
    assert config["architecture"]["backbone"] == "test_efficientnet"
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: decamo\n")
    assert "license: apache-2.0" in card
    assert f"{model.loaded.best_iou:.4f}" in card
    names = {known.key for known in model.loaded.images.images}
    assert names
    assert not any(name in (folder / "config.json").read_text() for name in names)


def test_a_test_image_that_has_trained_is_still_known(
    checkpoint: Path, scenes: Path, tmp_path: Path
) -> None:
    folder = decamo.load(checkpoint, device="cpu").save_pretrained(tmp_path / "given")
    known = load_model(checkpoint).images.images

    assert [one.image for one in load_model(folder).images.images] == [one.image for one in known]


def test_a_folder_is_scored_as_its_checkpoint_is(
    checkpoint: Path, scenes: Path, tmp_path: Path
) -> None:
    how: dict[str, Any] = {"device": "cpu", "resamples": 0, "num_workers": 0}
    model = decamo.load(checkpoint, device="cpu", img_size=64)
    folder = model.save_pretrained(tmp_path / "given")

    trained = decamo.evaluate(checkpoint, scenes, **how)
    given = decamo.evaluate(folder, scenes, **how)
    larger = decamo.evaluate(model, scenes, resamples=0, num_workers=0)

    assert given.iou == trained.iou
    assert larger.iou == decamo.evaluate(checkpoint, scenes, img_size=64, **how).iou


def test_it_never_replaces_what_it_was_loaded_from(checkpoint: Path, tmp_path: Path) -> None:
    model = decamo.load(checkpoint, device="cpu")
    model.path = tmp_path / "model.safetensors"
    model.path.touch()

    with pytest.raises(SettingsError):
        model.save_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("config.json", b'{"format": 99}'),
        ("config.json", b'{"format": 1, "architecture": {}, "auto_map": "code.py"}'),
        ("config.json", b'{"format": 1, "architecture": {}}'),
        ("config.json", b"\xff\xfe"),
        ("model.safetensors", b""),
        ("model.safetensors", b"not tensors"),
    ],
)
def test_what_is_damaged_is_one_line(
    checkpoint: Path, tmp_path: Path, file: str, content: bytes
) -> None:
    folder = decamo.load(checkpoint, device="cpu").save_pretrained(tmp_path / "given")
    (folder / file).write_bytes(content)

    with pytest.raises(CheckpointForeign) as caught:
        decamo.load(folder)

    assert len(str(caught.value).splitlines()) == 1


def test_a_field_that_nobody_knows_is_named(checkpoint: Path, tmp_path: Path) -> None:
    folder = decamo.load(checkpoint, device="cpu").save_pretrained(tmp_path / "given")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": "code.py"}))

    with pytest.raises(CheckpointForeign, match="auto_map"):
        decamo.load(folder)


def test_a_configuration_without_end_is_not_read(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = decamo.load(checkpoint, device="cpu").save_pretrained(tmp_path / "given")
    monkeypatch.setitem(LARGEST, "config.json", 100)

    with pytest.raises(CheckpointForeign, match="larger than 100 bytes"):
        decamo.load(folder)


def test_an_architecture_of_nonsense_is_one_line(checkpoint: Path, tmp_path: Path) -> None:
    folder = decamo.load(checkpoint, device="cpu").save_pretrained(tmp_path / "given")
    config = json.loads((folder / "config.json").read_text())
    for change in ({"num_experts": "many"}, {"width": -1}, {"kind": "brought"}, {"width": None}):
        changed = config | {"architecture": config["architecture"] | change}
        (folder / "config.json").write_text(json.dumps(changed))
        with pytest.raises(decamo.DecamoError):
            decamo.load(folder)


def test_a_network_from_a_file_is_named_again(scenes: Path, tmp_path: Path) -> None:
    source = f"{network_file(tmp_path)}:build"
    tiny = {k: v for k, v in TINY.items() if k not in ("backbone", "num_experts")}
    done = decamo.train(
        tiny, img_size=64, network=source, dataset_path=scenes, checkpoint_dir=tmp_path / "run"
    )
    model = decamo.load(done.folder.best, network=source, device="cpu")
    folder = model.save_pretrained(tmp_path / "given")

    with pytest.raises(CheckpointError, match="--network"):
        decamo.load(folder)
    assert decamo.load(folder, network=source, device="cpu").loaded.epoch == model.loaded.epoch


def test_an_image_file_is_predicted_too(checkpoint: Path, photo: Any, tmp_path: Path) -> None:
    Image.fromarray(photo).save(tmp_path / "photo.png")
    folder = decamo.load(checkpoint, device="cpu").save_pretrained(tmp_path / "given")

    found = decamo.predict(folder, tmp_path / "photo.png", device="cpu")

    assert isinstance(found, decamo.Prediction)
    assert found.probability.shape == (50, 70)
