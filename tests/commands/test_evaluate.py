import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.cli import main


def test_scores_equal_those_of_the_written_maps(
    trained: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "scores.json"
    assert main(["evaluate", str(trained), "--dataset-path", str(scenes), "--noncam", "negatives",
                 "--json", str(report)]) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert "scored at native size, threshold 0.5" in out
    assert "raw weights of epoch 2" in out
    (scored,) = json.loads(report.read_text())["datasets"]
    assert main(["predict", str(trained), str(scenes / "Test/Image"), "--out", str(tmp_path)]) == 0
    for image in scored["images"]:
        stem = image["image"].split("/")[-1]
        probability = np.asarray(Image.open(tmp_path / f"{stem}.png")) / 255
        mask = np.asarray(Image.open(scenes / "Test/GT_Object" / f"{stem}.png")) > 127
        # the map on disk has 8 bits
        assert image["mae"] == pytest.approx(np.abs(probability - mask).mean(), abs=0.003)
    mean = np.mean([image["iou"] for image in scored["images"]])
    assert scored["mean"]["iou"] == pytest.approx(mean)


def test_a_data_set_without_test_images_is_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(trained), "--dataset-path", str(tmp_path)]) == 2
    assert "--dataset-path" in capsys.readouterr().err
