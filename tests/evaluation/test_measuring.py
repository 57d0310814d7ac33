import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.census import BadFile
from decamo.errors import DataError, UnreadableImage
from decamo.evaluation import (
    CaseSet,
    Dropped,
    ImageResult,
    Job,
    Measurer,
    Rules,
    binary_map,
    measure_job,
    sets_of_masks,
)
from decamo.metrics import measure
from tests.evaluation.conftest import Grey, write_greys


@pytest.fixture
def cases(tmp_path: Path, masks: dict[str, Grey]) -> CaseSet:
    return sets_of_masks([("SET", write_greys(tmp_path / "GT", masks))])[0]


@pytest.fixture
def jobs(tmp_path: Path, cases: CaseSet) -> list[Job]:
    rng = np.random.default_rng(0)
    noise = {c.stem: rng.integers(0, 256, (24, 30), dtype=np.uint8) for c in cases.cases}
    folder = write_greys(tmp_path / "maps", noise)
    return [Job(c, folder / f"{c.stem}.png") for c in cases.cases]


def test_scores_are_those_of_the_suite(jobs: list[Job]) -> None:
    result = measure_job(jobs[3], Rules(atlas=True))
    assert isinstance(result, ImageResult)
    grey = np.asarray(Image.open(str(jobs[3].map)))
    mask = np.asarray(Image.open(jobs[3].case.mask)) > 0
    assert pickle.dumps(result.measures) == pickle.dumps(measure(grey, mask))
    assert result.foreground == mask.mean()
    assert result.loss is not None
    assert result.loss.iou == result.measures.iou


@pytest.mark.parametrize("stretch", [False, True])
def test_the_atlas_and_the_suite_have_one_threshold(stretch: bool) -> None:
    rng = np.random.default_rng(1)
    for low, high in ((0, 256), (100, 160), (3, 4), (127, 129)):
        grey = rng.integers(low, high, (20, 20), dtype=np.uint8)
        mask = rng.random((20, 20)) < 0.3
        hit = binary_map(grey, stretch=stretch)
        union = (hit | mask).sum()
        assert (hit & mask).sum() / union == measure(grey, mask, stretch=stretch).iou


def test_a_missing_map_finds_nothing_and_is_marked(jobs: list[Job]) -> None:
    result = measure_job(replace(jobs[0], map=None), Rules())
    assert isinstance(result, ImageResult)
    assert result.missing
    assert result.measures.iou == 0
    assert result.loss is None


def test_empty_masks_and_noncam_are_dropped_unless_wanted(cases: CaseSet) -> None:
    empty = Job(cases.cases[0], None, np.zeros((4, 4), np.bool_))
    assert isinstance(measure_job(empty, Rules()), Dropped)
    assert isinstance(measure_job(empty, Rules("negatives")), ImageResult)
    named = replace(empty, case=replace(empty.case, stem="COD10K-NonCAM-1-Aquatic-1-x-1"))
    assert isinstance(measure_job(replace(named, mask=np.ones((4, 4), np.bool_)), Rules()), Dropped)


def test_a_bad_mask_is_named_and_a_bad_map_is_an_error(jobs: list[Job]) -> None:
    assert isinstance(jobs[1].map, Path)
    jobs[1].map.write_bytes(b"")
    with pytest.raises(UnreadableImage, match="empty"):
        measure_job(jobs[1], Rules())
    jobs[0].case.mask.write_bytes(b"")
    bad = measure_job(jobs[0], Rules())
    assert isinstance(bad, BadFile)
    assert bad.path == jobs[0].case.mask


def test_another_size_is_told_or_marked(jobs: list[Job]) -> None:
    small = replace(jobs[0], map=np.zeros((6, 6), np.uint8))
    with pytest.raises(DataError, match="--resize"):
        measure_job(small, Rules())
    result = measure_job(small, Rules(resize=True))
    assert isinstance(result, ImageResult)
    assert result.resized


def test_a_map_of_ones_is_marked_as_dim(jobs: list[Job]) -> None:
    result = measure_job(replace(jobs[0], map=np.eye(24, 30, dtype=np.uint8)), Rules())
    assert isinstance(result, ImageResult)
    assert result.dim


def test_the_digest_changes_with_a_pixel_and_with_the_shape(cases: CaseSet) -> None:
    masks = [np.ones((2, 8), np.bool_), np.ones((4, 4), np.bool_), np.ones((2, 8), np.bool_)]
    masks[2][1, 7] = False
    results = [measure_job(Job(cases.cases[0], None, m), Rules()) for m in masks]
    assert len({r.digest for r in results if isinstance(r, ImageResult)}) == 3


def test_order_and_bits_do_not_depend_on_the_number_of_processes(jobs: list[Job]) -> None:
    told: list[int] = []
    with Measurer(1, Rules(atlas=True)) as one, Measurer(2, Rules(atlas=True)) as two:
        alone = list(one.results(jobs * 4))
        many = list(two.results(iter(jobs * 4), lambda: told.append(1)))
    assert all(_equal(a, b) for a, b in zip(alone, many, strict=True))
    assert len(told) == len(jobs) * 4


def _equal(a: object, b: object) -> bool:
    assert isinstance(a, ImageResult)
    assert isinstance(b, ImageResult)
    curves = all(
        np.array_equal(getattr(a.measures, f), getattr(b.measures, f)) for f in vars(a.measures)
    )
    same = replace(a, measures=b.measures) == b
    return curves and same


def test_an_error_in_a_process_reaches_the_caller(jobs: list[Job]) -> None:
    bad = replace(jobs[0], map=np.zeros((6, 6), np.uint8))
    with Measurer(2, Rules()) as two, pytest.raises(DataError, match="--resize"):
        list(two.results([*jobs, bad]))
