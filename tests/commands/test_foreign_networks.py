"""Every command with a network from a file, which only whoever starts the command can name."""

import json
from pathlib import Path

import pytest

import decamo
from decamo.cli import main
from decamo.errors import CheckpointMismatch, SettingsError

SOURCE = """
import sys
import torch
print("the file runs", file=sys.stderr)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        sizes = (3, 8, 8, 8, 8, 8)
        self.encoder = torch.nn.Sequential(*(self.down(a, b) for a, b in zip(sizes, sizes[1:])))
        self.head = torch.nn.Conv2d(8, 2, 1)

    def down(self, a, b):
        return torch.nn.Sequential(torch.nn.Conv2d(a, b, 3, 2, 1), torch.nn.BatchNorm2d(b),
                                   torch.nn.ReLU())

    def forward(self, x):
        return self.head(self.encoder(x))


def build():
    return Net()
"""


def run(*args: object) -> int:
    return main([str(arg) for arg in args])


@pytest.fixture(scope="module")
def trained(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run folder after three epochs, and what names its network."""
    place = tmp_path_factory.mktemp("foreign")
    (place / "their_net.py").write_text(SOURCE)
    name = f"{place}/their_net.py:build"
    code = run(
        "train", "--network", name, "--dataset-path", scenes, "--epochs", 3, "--stage1-epochs", 1,
        "--img-size", 64, "--batch-size", 8, "--num-workers", 0, "--device", "cpu",
        "--checkpoint-dir", place / "run",
    )  # fmt: skip
    assert code == 0
    return place / "run", name


def test_a_resume_asks_for_the_file_again_and_runs_nothing_before(
    trained: tuple[Path, str], scenes: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder, name = trained
    on = ("train", "--resume-from", folder / "last.pth", "--epochs", 4, "--checkpoint-dir",
          tmp_path / "on", "--dataset-path", scenes, "--num-workers", 0)  # fmt: skip
    for way in (on, (*on[:-2], "--config", folder / "config.toml"),
                ("train", "--config", folder / "config.toml", "--checkpoint-dir", tmp_path / "c"),
                ("escape", folder / "last.pth", "--checkpoint-dir", tmp_path / "e")):  # fmt: skip
        assert run(*way) == 2
        said = capsys.readouterr().err
        assert "brings no code; name it again: --network FILE.py:FUNCTION" in said
        assert "the file runs" not in said
        assert len(said.splitlines()) == 1
    assert run(*on, "--network", name) == 0
    assert "epoch 4 to 4" in capsys.readouterr().out


def test_plan_needs_neither_the_file_nor_torch(
    trained: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = trained
    assert run("plan", "--resume-from", folder / "last.pth", "--epochs", 5) == 0
    assert run("plan", "--network", "gone.py:build", "--images", 9) == 0
    assert "the file runs" not in capsys.readouterr().err


def test_it_predicts_and_is_scored_where_it_is_named(
    trained: tuple[Path, str], scenes: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder, name = trained
    best = folder / "best_model.pth"
    predict = ("predict", best, scenes / "Test" / "Image", "--out", tmp_path / "maps")
    evaluate = ("evaluate", best, "--dataset-path", scenes, "--json", tmp_path / "s.json",
                "--resamples", 0)  # fmt: skip
    for way in (predict, evaluate):
        assert run(*way) == 2
        assert "brings no code" in capsys.readouterr().err
        assert run(*way, "--network", name) == 0
    assert len(list((tmp_path / "maps").glob("*.png"))) == 4
    assert json.loads((tmp_path / "s.json").read_text())
    assert run("predict", best, scenes / "Test" / "Image", "--out", tmp_path / "maps2",
               "--network", name, "--experts") == 2  # fmt: skip
    assert "--experts: their_net.py:build with encoder has none" in capsys.readouterr().err
    with pytest.raises(CheckpointMismatch, match="brings no code"):
        decamo.load(best)
    assert decamo.load(best, network=name).loaded.epoch > 0


def test_its_report_shows_cases_where_it_is_named(
    trained: tuple[Path, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder, name = trained
    assert run("report", folder, "--html", tmp_path / "a.html") == 0
    assert "no gallery" in capsys.readouterr().err
    assert run("report", folder, "--html", tmp_path / "b.html", "--network", name) == 0
    assert "no gallery" not in capsys.readouterr().err


def test_it_teaches_our_own_network_where_it_is_named(
    trained: tuple[Path, str], scenes: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder, name = trained
    train = ("train", "--teacher", folder / "last.pth", "--dataset-path", scenes, "--epochs", 1,
             "--stage1-epochs", 0, "--img-size", 64, "--num-workers", 0, "--no-pretrained",
             "--backbone", "test_efficientnet", "--checkpoint-dir", tmp_path / "t")  # fmt: skip
    assert run(*train) == 2
    assert "--teacher-network FILE.py:FUNCTION" in capsys.readouterr().err
    assert run(*train, "--teacher-network", name) == 0


def test_a_dry_run_rehearses_it(trained: tuple[Path, str], scenes: Path, tmp_path: Path) -> None:
    _, name = trained
    assert run("train", "--network", name, "--dataset-path", scenes, "--epochs", 1,
               "--stage1-epochs", 0, "--img-size", 64, "--num-workers", 0, "--checkpoint-dir",
               tmp_path / "d", "--dry-run") == 0  # fmt: skip


@pytest.mark.long
def test_it_is_raced(trained: tuple[Path, str], scenes: Path, tmp_path: Path) -> None:
    folder, name = trained
    assert run("escape", folder / "last.pth", "--network", name, "--only", "rate-x3",
               "--trial-epochs", 1, "--num-workers", 0, "--checkpoint-dir", tmp_path / "e",
               "--dataset-path", scenes) == 0  # fmt: skip


def test_a_config_in_python_may_name_a_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[model]\nnetwork = "net.py:build"\n')
    with pytest.raises(SettingsError, match="brings no code"):
        decamo.plan(file, images=9)
    assert decamo.plan({"network": "net.py:build"}, images=9).images == 9
    assert decamo.plan(file, images=9, network="net.py:build").images == 9
