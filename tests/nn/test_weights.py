import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from decamo.errors import WeightsUnavailable
from decamo.nn import build_segmenter, create_backbone
from decamo.nn.weights import load_weights_file
from decamo.settings import ModelSettings

EDGENEXT, MOBILENET = "edgenext_xx_small", "mobilenetv2_035"


def full_model(name: str) -> dict[str, Tensor]:
    """The state dict that someone would share: classifier and all, every value telling."""
    state: dict[str, Tensor] = timm.create_model(name).state_dict()
    generator = torch.Generator().manual_seed(7)
    for value in state.values():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5, generator=generator)
    return state


def wrapper(name: str) -> nn.Module:
    return timm.create_model(name, features_only=True)


def prefixed(prefix: str) -> Callable[[dict[str, Tensor]], dict[str, Any]]:
    return lambda state: {prefix + key: value for key, value in state.items()}


FORMS: dict[str, Callable[[dict[str, Tensor]], dict[str, Any]]] = {
    "plain": lambda state: state,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model": lambda state: {"model": state},
    "model_state_dict": lambda state: {"model_state_dict": prefixed("module.")(state)},
    "module": prefixed("module."),
    "backbone": prefixed("backbone."),
    "module.encoder": prefixed("module.encoder."),
    "numpy scalar": lambda state: {
        "epoch": 85,
        "best_iou": np.float64(0.6221),
        "model_state_dict": state,
    },
    "compiled": prefixed("_orig_mod.backbone."),
    "whole network": lambda state: (
        {"state_dict": prefixed("net.backbone.")(state) | {"net.head.weight": torch.zeros(2)}}
    ),
    "old": lambda state: {k: v for k, v in state.items() if "num_batches_tracked" not in k},
}


@pytest.mark.parametrize(
    ("name", "form"),
    [
        *((EDGENEXT, form) for form in FORMS),
        (MOBILENET, "old"),  # it counts batches
        *(pytest.param(MOBILENET, f, marks=pytest.mark.long) for f in FORMS if f != "old"),
    ],
)
def test_the_forms_in_which_weights_are_shared(name: str, form: str, tmp_path: Path) -> None:
    state = full_model(name)
    torch.save(FORMS[form](state), tmp_path / "weights.pth")
    net = wrapper(name)
    load_weights_file(net, tmp_path / "weights.pth")
    loaded = net.state_dict()
    # The wrapper flattens top-level Sequentials: the dot of `stages.0` became an underscore.
    theirs = {k.replace(".", "_"): v for k, v in state.items()}
    for key, value in loaded.items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(value, theirs[key.replace(".", "_")]), key


@pytest.mark.parametrize("name", ["efficientvit_b0", "test_nfnet", "test_vit"])
def test_names_of_stems_that_the_wrapper_changes(name: str, tmp_path: Path) -> None:
    """Oracle: every parameter has the values of one of the whole network, each of another."""
    state = full_model(name)
    torch.save(state, tmp_path / "w.pth")
    backbone = create_backbone(name, pretrained=False, size=64)
    load_weights_file(backbone.net, tmp_path / "w.pth", name, backbone.variant.options)
    theirs = {tuple(v.flatten().tolist()) for v in state.values()}
    loaded = [tuple(p.flatten().tolist()) for p in backbone.net.parameters()]
    assert set(loaded) <= theirs
    assert len(set(loaded)) == len(loaded)


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")
def test_weights_for_another_image_size_are_interpolated(tmp_path: Path) -> None:
    """Oracle: timm's own loading of the same file into a network of that size."""
    torch.save(full_model("test_coatnet"), tmp_path / "w.pth")
    backbone = create_backbone("test_coatnet", pretrained=False, size=96)
    options = backbone.variant.options
    load_weights_file(backbone.net, tmp_path / "w.pth", "test_coatnet", options)
    theirs = timm.create_model(
        "test_coatnet",
        features_only=True,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(tmp_path / "w.pth")},
        **options,
    )
    mine = backbone.net.state_dict()
    assert mine.keys() == theirs.state_dict().keys()
    assert all(torch.equal(v, mine[k]) for k, v in theirs.state_dict().items())


def test_safetensors(tmp_path: Path) -> None:
    state = full_model(EDGENEXT)
    safetensors.torch.save_file(state, tmp_path / "weights.safetensors")
    net = wrapper(EDGENEXT)
    load_weights_file(net, tmp_path / "weights.safetensors")
    assert torch.equal(net.state_dict()["stem_0.weight"], state["stem.0.weight"])


def test_missing_weights_are_counted_and_three_are_named(tmp_path: Path) -> None:
    state = full_model(MOBILENET)
    gone = [k for k in state if k.startswith("blocks.0.")][:4]
    gone = [k for k in gone if "num_batches" not in k]
    torch.save({k: v for k, v in state.items() if k not in gone}, tmp_path / "w.pth")
    net = wrapper(MOBILENET)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(WeightsUnavailable) as caught:
        load_weights_file(net, tmp_path / "w.pth")
    message = str(caught.value)
    assert f"{len(gone)} of" in message
    assert all(key in message for key in gone[:3])
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_weights_of_another_width_are_refused_with_both_shapes(tmp_path: Path) -> None:
    torch.save(full_model(MOBILENET), tmp_path / "w.pth")
    with pytest.raises(WeightsUnavailable, match=r"conv_stem.weight \(16, 3, 3, 3\) for \(32, 3"):
        load_weights_file(wrapper("mobilenetv2_100"), tmp_path / "w.pth")


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_malicious_pickle_is_not_executed(tmp_path: Path) -> None:
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, tmp_path / "w.pth")
    with pytest.raises(WeightsUnavailable, match="safely"):
        load_weights_file(wrapper(MOBILENET), tmp_path / "w.pth")
    assert not (tmp_path / "sprung").exists()
    torch.load(tmp_path / "w.pth", weights_only=False)  # the trap works where one is careless
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html><html>Sign in</html>", b"", b"PK\x03\x04rest"]
)
def test_what_is_no_weights_file(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsUnavailable, match="not a file of weights"):
        load_weights_file(wrapper(MOBILENET), tmp_path / name)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "w.pth")
    with pytest.raises(WeightsUnavailable, match=r"no weights in it \(a list\)"):
        load_weights_file(wrapper(MOBILENET), tmp_path / "w.pth")


def test_no_such_file_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=r"nowhere\.pth: no such file"):
        load_weights_file(wrapper(MOBILENET), tmp_path / "nowhere.pth")


def no_network(*_: Any, **__: Any) -> Any:
    raise socket.gaierror(-2, "Name or service not known")


# The hub's client by itself tries for about 45 s.
@pytest.mark.timeout(30)
@pytest.mark.parametrize("offline", [True, False])
def test_without_a_network_pretrained_fails_within_seconds(
    offline: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    with pytest.raises(WeightsUnavailable) as caught:
        build_segmenter(ModelSettings(backbone="mobilenetv2_100"), sizes=[64], seed=0)
    for word in ("--pretrained", "--backbone-weights FILE", "--no-pretrained"):
        assert word in str(caught.value)


def test_pretrained_weights_that_nobody_published() -> None:
    with pytest.raises(WeightsUnavailable, match="nobody published"):
        build_segmenter(ModelSettings(backbone=MOBILENET), sizes=[64], seed=0)
