"""What `make demo` promises, and the network of the action plan, trained for real."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from decamo.cli import main
from decamo.data.scenes import write_scenes

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo's folder and all that it printed."""
    folder = tmp_path_factory.mktemp("demo")
    environment = os.environ | {"DECAMO": f"{sys.executable} -m decamo.cli", "DEMO": str(folder)}
    done = subprocess.run(
        ["sh", "scripts/demo.sh"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def ious(printed: str) -> dict[int, float]:
    """Epoch -> IoU of the run itself, without the race's trials."""
    lines = re.findall(r"^Epoch (\d+): Loss: .* IoU: (\d\.\d+) \|", printed, re.M)
    return {int(epoch): float(iou) for epoch, iou in lines}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_demo_tells_how_a_run_gets_stuck_and_off_again(demo: tuple[Path, str]) -> None:
    folder, printed = demo
    before = re.search(r"^before epoch 1, .* IoU (\d\.\d+)", printed, re.M)
    assert before is not None
    assert float(before[1]) < 0.15
    run = ious(printed)
    assert len(run) == 63
    assert run[12] > 0.35  # the first schedule teaches it something ...
    assert abs(run[30] - run[12]) < 0.01  # ... the second nothing, and the plan said so
    assert "warning: the learning rate never anneals" in printed.split("== 4.")[0]
    assert max(run[epoch] for epoch in run if epoch > 30) > run[30] + 0.05
    diagnosis = json.loads((folder / "diagnosis.json").read_text())
    assert diagnosis["verdict"]["kind"] == "plateau"
    assert diagnosis["causes"][0]["cause"] == "rate_too_low"


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_demos_race_proves_what_the_diagnosis_advises(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    diagnosis = json.loads((folder / "diagnosis.json").read_text())
    race = json.loads((folder / "race.json").read_text())
    assert race["winner"] == "advice"
    assert next(gap["low"] for gap in race["gaps"] if gap["branch"] == "advice") > 0
    advised = {change["name"]: change["value"] for change in diagnosis["next"]["changes"]}
    raced = next(b for b in race["branches"] if b["name"] == "advice")["changes"]["schedule"]
    assert raced["stage2_lr"] == pytest.approx(advised["stage2_lr"], rel=0.1)
    assert raced["scheduler"] == advised["scheduler"]
    assert raced["min_lr"] == pytest.approx(advised["min_lr"], rel=0.1)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_demo_is_better_on_what_it_never_saw_and_leaves_what_it_says(
    demo: tuple[Path, str],
) -> None:
    folder, printed = demo
    scores = json.loads((folder / "scores.json").read_text())
    stalled, escaped = (d["mean"]["iou"] for d in scores["datasets"])
    assert escaped > stalled + 0.03
    (gained,) = [c for c in scores["comparisons"] if c["measure"] == "iou"]
    assert gained["low"] > 0
    assert len(list((folder / "predictions").glob("*_overlay.png"))) == 60
    assert (folder / "plan.png").stat().st_size > 10_000
    assert "What was read and assumed" in printed
    page = (folder / "run" / "report.html").read_text()
    assert "Validation cases" in page
    assert page.count("data:image/jpeg") >= 9
    assert not re.search(r"(src|href)=.?https?:|<script", page)  # self-contained


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_edgenext_base_with_7_experts_at_384_px_trains_at_micro_batch_2_and_1(
    device: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    write_scenes(tmp_path / "d", train=6, test=1, size=384, noncam_share=0.0, seed=0,
                 on_progress=lambda _done, _of: None)  # fmt: skip
    words = ["train", "--dataset-path", str(tmp_path / "d"), "--checkpoint-dir",
             str(tmp_path / "run"), "--backbone", "edgenext_base", "--num-experts", "7",
             "--img-size", "384", "--no-pretrained", "--batch-size", "2", "--stage2-batch-size",
             "1", "--epochs", "2", "--stage1-epochs", "1", "--deep-supervision", "--device",
             device, "--num-workers", "0", "--val-fraction", "0.34", "--use-ema"]  # fmt: skip
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "Epoch 1: Loss: " in out
    assert "Epoch 2: Loss: " in out
