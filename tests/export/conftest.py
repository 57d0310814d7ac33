"""A tiny network of others, as a folder and exported; small enough that tracing takes seconds."""

import io
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import decamo
from decamo.cli import main
from decamo.data.rules import ReadingRule
from decamo.inference.loaded import Loaded
from decamo.inference.model_card import Card
from decamo.inference.pretrained_folder import save_folder
from decamo.nn import build_network
from decamo.settings import ModelSettings

NET = """
from torch import nn


def build():
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=4, padding=2), nn.GELU(), nn.GroupNorm(2, 8), nn.Conv2d(8, 1, 3)
    )
"""


def folder_of(home: Path, code: str) -> Path:
    """A folder with a network of a file of this code, its weights drawn from a seed."""
    home.mkdir(parents=True)
    file = home / "net.py"
    file.write_text(code)
    settings = ModelSettings(network=f"{file}:build", pretrained=False)
    model = build_network(settings, sizes=[64], seed=0)
    loaded = Loaded(64, "average", 3, {"scenes": ReadingRule()}, best_iou=0.5, model=model.eval())
    folder = home / "shared"
    save_folder(loaded, folder, Card("tiny"), source=file)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> decamo.Model:
    """The network in torch."""
    home = tmp_path_factory.mktemp("tiny") / "net"
    folder = folder_of(home, NET)
    return decamo.load(folder, device="cpu", network=f"{home / 'net.py'}:build")


@pytest.fixture(scope="session")
def onnx_command(tiny: decamo.Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The network as ONNX by the command, and what that printed; its report lies beside it."""
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    words = ["export", str(tiny.path), "--network", tiny.score_options()["network"]]
    with redirect_stdout(io.StringIO()) as printed:
        assert main([*words, "--out", str(path), "--json", str(path.with_suffix(".json"))]) == 0
    return path, printed.getvalue()


@pytest.fixture(scope="session")
def onnx_file(onnx_command: tuple[Path, str]) -> Path:
    """The network as ONNX."""
    return onnx_command[0]


@pytest.fixture(scope="session")
def openvino_file(tiny: decamo.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as an OpenVINO model."""
    path = tmp_path_factory.mktemp("openvino") / "tiny.xml"
    tiny.export(path)
    return path
