"""What the bench of scoring processes does; what it times is never asserted."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.workers_scaling import compare_workers, write_pictures
from decamo.errors import DecamoError, StorageError


def test_maps_and_masks_belong_together(tmp_path: Path) -> None:
    maps, masks = write_pictures(tmp_path, (48, 60), 3)
    assert [p.name for p in sorted(maps.iterdir())] == [p.name for p in sorted(masks.iterdir())]
    for path in maps.iterdir():
        grey, mask = (np.asarray(Image.open(folder / path.name)) for folder in (maps, masks))
        assert grey.shape == mask.shape == (48, 60)
        assert set(np.unique(mask)) == {0, 255}
        assert grey[mask > 0].mean() > grey[mask == 0].mean()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "maps").write_bytes(b"")
    with pytest.raises(StorageError, match="maps"):
        write_pictures(tmp_path, (48, 48), 1)


def test_each_way_is_timed_and_the_command_runs_with_each_number(tmp_path: Path) -> None:
    maps, masks = write_pictures(tmp_path, (48, 48), 4)
    log = tmp_path / "log"
    script = f"import sys; open({str(log)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')"
    scaling = compare_workers(maps, masks, 2, 2, [sys.executable, "-c", script])
    for turns in (scaling.scoring, scaling.command, scaling.machine):
        assert turns.one_s > 0
        assert turns.many_s > 0
        assert 0 < turns.ratio_low <= turns.ratio <= turns.ratio_high
    lines = log.read_text().splitlines()
    assert [line.rpartition("--workers ")[2] for line in lines] == ["1", "2"] * 2
    assert all(f"--predictions {maps} --masks {masks}" in line for line in lines)


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    maps, masks = write_pictures(tmp_path, (48, 48), 1)
    with pytest.raises(DecamoError, match="no luck"):
        compare_workers(
            maps, masks, 2, 1, [sys.executable, "-c", "import sys; sys.exit('no luck')"]
        )
