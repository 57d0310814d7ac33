import json
from pathlib import Path

import pytest
from PIL import Image

from decamo.cli import main


def test_the_recipe_at_epoch_86(
    stuck: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plan", "--resume-from", str(stuck), "--recipe", "conservative",
             "--backbone", "test_efficientnet", "--images", "40",
             "--json", str(tmp_path / "p.json"),
             "--png", str(tmp_path / "p.png")]  # fmt: skip
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.count("you are here") == 1
    plan = json.loads((tmp_path / "p.json").read_text())
    assert plan["word"] == "branch"
    assert plan["lr"]["87"]["head"] == 0.0002
    assert plan["lr"]["104"]["head"] == pytest.approx(0.000105, rel=0.01)
    assert plan["last_lr"]["head"] == 0.00001
    assert plan["last_lr"]["backbone.0"] == pytest.approx(0.000001)
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.width > 600


def test_without_data_the_images_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--images", "4040", "--epochs", "120"]) == 0
    out = capsys.readouterr().out
    assert "505" in out  # 4040 images in micro-batches of 2, 4 to a step
    assert main(["plan"]) == 2
    assert "--images N" in capsys.readouterr().err


def test_a_plan_that_cannot_do_what_it_says_is_warned_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plan", "--images", "100", "--scheduler", "none"]) == 0
    assert "warning: the learning rate never anneals" in capsys.readouterr().out


def test_measuring_gives_time_and_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "p.json"
    assert main(["plan", "--images", "100", "--backbone", "test_efficientnet", "--img-size", "64",
                 "--device", "cpu", "--measure", "--json", str(report)]) == 0  # fmt: skip
    assert "GiB" in capsys.readouterr().out
    stages = json.loads(report.read_text())["spending"]
    assert [s["stage"] for s in stages] == [1, 2]
    assert all(s["seconds_per_epoch"] > 0 and s["memory_bytes"] > 1e6 for s in stages)
