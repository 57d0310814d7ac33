from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.errors import DataError
from decamo.evaluation import CaseSet, fitted, match_maps, read_map, sets_of_masks
from tests.evaluation.conftest import Grey, write_greys


@pytest.fixture
def cases(tmp_path: Path, masks: dict[str, Grey]) -> CaseSet:
    return sets_of_masks([("SET", write_greys(tmp_path / "GT", masks))])[0]


def test_maps_are_found_by_stem_and_extra_ones_listed(
    tmp_path: Path, cases: CaseSet, masks: dict[str, Grey]
) -> None:
    folder = write_greys(tmp_path / "maps", masks | {"stranger": next(iter(masks.values()))})
    found = match_maps("M", folder, cases, alone=True, missing="error", noncam="drop")
    assert [p.stem for p in found.maps if p] == [c.stem for c in cases.cases]
    assert [p.name for p in found.extra] == ["stranger.png"]


def test_a_missing_map_is_an_error_or_a_zero(
    tmp_path: Path, cases: CaseSet, masks: dict[str, Grey]
) -> None:
    lost = sorted(masks)[2]
    folder = write_greys(tmp_path / "maps", {k: v for k, v in masks.items() if k != lost})
    with pytest.raises(DataError, match=f"1 of 6 masks.*{lost}.*--missing zero"):
        match_maps("M", folder, cases, alone=True, missing="error", noncam="drop")
    found = match_maps("M", folder, cases, alone=True, missing="zero", noncam="drop")
    assert [p is None for p in found.maps] == [False, False, True, False, False, False]


def test_a_folder_of_other_names_is_an_error_even_with_zeros(
    tmp_path: Path, cases: CaseSet, masks: dict[str, Grey]
) -> None:
    folder = write_greys(tmp_path / "maps", {f"x{k}": v for k, v in masks.items()})
    with pytest.raises(DataError, match="6 of 6"):
        match_maps("M", folder, cases, alone=True, missing="zero", noncam="drop")


def test_no_map_is_asked_for_an_empty_mask_that_is_dropped(
    tmp_path: Path, masks: dict[str, Grey]
) -> None:
    truth = write_greys(tmp_path / "GT", masks | {"empty": np.zeros((4, 4), np.uint8)})
    (cases,) = sets_of_masks([("SET", truth)])
    folder = write_greys(tmp_path / "maps", masks)
    match_maps("M", folder, cases, alone=True, missing="error", noncam="drop")
    with pytest.raises(DataError, match="empty"):
        match_maps("M", folder, cases, alone=True, missing="error", noncam="negatives")


def test_a_folder_for_each_set_is_taken_by_its_name(
    tmp_path: Path, cases: CaseSet, masks: dict[str, Grey]
) -> None:
    write_greys(tmp_path / "maps" / "set", masks)
    found = match_maps("M", tmp_path / "maps", cases, alone=False, missing="error", noncam="drop")
    assert all(p and p.parent.name == "set" for p in found.maps)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no folder SET"):
        match_maps("M", tmp_path / "none", cases, alone=False, missing="error", noncam="drop")


def test_grey_is_read_as_it_is_and_colour_as_luminance(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([grey] * 3, -1)).save(tmp_path / "rgb.png")
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    assert np.array_equal(read_map(tmp_path / "grey.png"), grey)
    assert np.array_equal(read_map(tmp_path / "rgb.png"), grey)
    want = np.asarray(Image.fromarray(colour).convert("L")).astype(int)
    assert np.abs(read_map(tmp_path / "colour.png").astype(int) - want).max() <= 1


def test_another_size_is_an_error_naming_both_or_resized() -> None:
    grey = np.full((10, 20), 77, np.uint8)
    with pytest.raises(DataError, match=r"a\.png: the map is 10 x 20.*b\.png is 5 x 8.*--resize"):
        fitted(grey, (5, 8), ("a.png", "b.png"), resize=False)
    small = fitted(grey, (5, 8), ("a.png", "b.png"), resize=True)
    assert small.shape == (5, 8)
    assert (small == 77).all()
