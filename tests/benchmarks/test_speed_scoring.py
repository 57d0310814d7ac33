import os
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import speed_scoring
from benchmarks.__main__ import main
from benchmarks.speed_scoring import write_maps

SEEN = 4


def _masks(folder: Path) -> Path:
    folder.mkdir()
    for n in range(SEEN):
        mask = np.zeros((70, 90), np.uint8)
        mask[10 : 40 + n, 20:60] = 255
        Image.fromarray(mask).save(folder / f"scene-{n}.png")
    return folder


def test_maps_have_the_sizes_of_their_masks_and_find_most_of_the_object(tmp_path: Path) -> None:
    masks = _masks(tmp_path / "GT")
    assert write_maps(masks, tmp_path / "maps") == SEEN
    for path in masks.iterdir():
        grey = np.asarray(Image.open(tmp_path / "maps" / path.name))
        mask = np.asarray(Image.open(path)) > 0
        assert grey.shape == mask.shape
        assert grey[mask].mean() > 2 * grey[~mask].mean()
        assert np.median(grey[~mask]) > 0  # a faint ground


@pytest.mark.long
def test_a_plain_loop_is_timed_beside_evaluate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # to compile all libraries takes longer than all that is timed
    kept = partial(nullcontext, dict(os.environ))
    monkeypatch.setattr(speed_scoring, "fresh_bytecode", kept)
    words = ["speed", "--only", "scoring", "--rounds", "1"]
    assert main([*words, "--scoring-masks", str(_masks(tmp_path / "GT"))]) == 0
    told = capsys.readouterr().out
    assert f"plain loop over pysodmetrics / evaluate --predictions, {SEEN} maps" in told
    assert "--scoring-checkpoint" in told  # what was left out, and why


def test_a_folder_without_masks_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["speed", "--only", "scoring", "--scoring-masks", str(tmp_path)]) == 2
    assert "--scoring-masks" in capsys.readouterr().err
