from pathlib import Path

import pytest

from decamo.errors import DataError
from decamo.settings import DataSettings
from decamo.training.supply import find_supply


def quiet(done: int, of: int) -> None:
    """Progress that nobody watches."""


def test_images_are_found_filtered_and_split(scenes: Path, tmp_path: Path) -> None:
    settings = DataSettings(dataset_path=(scenes,), val_fraction=0.2, num_workers=1)
    images = find_supply(settings, tmp_path / "census.json", quiet)
    keys = {p.key for p in images.train} | {p.key for p in images.val}
    assert len(images.train) + len(images.val) == len(keys) == 15 - images.dropped
    assert images.dropped >= 1
    assert not any("NonCAM" in key for key in keys)
    again = find_supply(settings, tmp_path / "census.json", quiet)
    assert (again.train, again.val) == (images.train, images.val)


def test_negatives_keep_the_empty_ones(scenes: Path, tmp_path: Path) -> None:
    settings = DataSettings(dataset_path=(scenes,), noncam="negatives", num_workers=1)
    images = find_supply(settings, tmp_path / "census.json", quiet)
    assert images.dropped == 0
    assert len(images.train) + len(images.val) == 15


def test_the_test_split_never_trains(scenes: Path, tmp_path: Path) -> None:
    images = find_supply(DataSettings(dataset_path=(scenes,)), tmp_path / "census.json", quiet)
    assert all("Train" in str(p.image) for p in (*images.train, *images.val))


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--dataset-path"):
        find_supply(DataSettings(dataset_path=(tmp_path / "no",)), tmp_path / "census.json", quiet)
