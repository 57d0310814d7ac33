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


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_demo_learns_to_find_what_it_never_saw(tmp_path: Path) -> None:
    environment = os.environ | {"DECAMO": f"{sys.executable} -m decamo.cli", "DEMO": str(tmp_path)}
    done = subprocess.run(
        ["sh", "scripts/demo.sh"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    before = re.search(r"^before epoch 1, .* IoU (\d\.\d+)", done.stdout, re.M)
    assert before is not None
    assert float(before[1]) < 0.15
    lines = re.findall(r"^Epoch \d+: Loss: .* IoU: (\d\.\d+) \|", done.stdout, re.M)
    assert max(map(float, lines)) >= 0.60
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["datasets"][0]["mean"]["iou"] >= 0.55  # other images than those that chose it
    assert len(list((tmp_path / "predictions").glob("*_overlay.png"))) == 40
    assert (tmp_path / "plan.png").stat().st_size > 10_000
    assert "What was read and assumed" in done.stdout
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Validation cases" in page
    assert page.count("data:image/jpeg") >= 9


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
