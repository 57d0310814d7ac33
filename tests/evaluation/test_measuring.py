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
    Convention,
    Dropped,
    ImageResult,
    Job,
    NonCam,
    Rules,
    Truth,
    measure_job,
    rule_sets,
    sets_of_masks,
)
from decamo.metrics import binarise, measure


def test_scores_are_those_of_the_suite(jobs: list[Job]) -> None:
    result = measure_job(jobs[3], Rules(atlas=True))
    assert isinstance(result, ImageResult)
    grey = np.asarray(Image.open(str(jobs[3].map)))
    mask = np.asarray(Image.open(jobs[3].case.mask)) > 0
    assert pickle.dumps(result.measures) == pickle.dumps(measure(grey, mask))
    assert result.foreground == mask.mean()
    assert result.loss is not None
    assert result.loss.iou == result.measures.iou


@pytest.mark.parametrize("convention", list(Convention))
def test_void_has_no_score_and_no_loss(tmp_path: Path, convention: Convention) -> None:
    """As a loop over the pixels that are known, for masks of 0 and 1 with a border of 255."""
    folder = tmp_path / "masks"
    folder.mkdir()
    rng, y, x = np.random.default_rng(0), *np.mgrid[:30, :40]
    for number in range(4):
        away = np.hypot(y - 14, x - 12 - number)
        codes = np.where(np.abs(away - 9) < 2, 255, away < 9)
        Image.fromarray(codes.astype(np.uint8)).save(folder / f"{number}.png")
    (cases,) = rule_sets(sets_of_masks([("SET", folder)])).sets
    for case in cases.cases:
        grey = rng.integers(0, 256, (30, 40), dtype=np.uint8)
        grey[0, 0], grey[0, 1] = 0, 255
        rules = Rules(convention=convention, stretch=convention is Convention.PUBLISHED, atlas=True)
        result = measure_job(pickle.loads(pickle.dumps(Job(case, grey))), rules)
        assert isinstance(result, ImageResult)
        codes = np.asarray(Image.open(case.mask))
        error, tp, wrong, on, known = 0.0, 0, 0, 0, 0
        for code, level in zip(codes.ravel().tolist(), grey.ravel().tolist(), strict=True):
            if code == 255:
                continue
            known, on = known + 1, on + code
            error += abs(level / 255 - code)
            found = level / 255 > 0.5 if convention is Convention.PUBLISHED else level >= 128
            tp, wrong = tp + (found and code), wrong + (found != bool(code))
        assert result.measures.mae == pytest.approx(error / known)
        assert result.measures.iou == pytest.approx(tp / (tp + wrong))
        assert result.foreground == pytest.approx(on / known)
        assert result.loss is not None
        assert result.loss.iou == pytest.approx(result.measures.iou)


def test_a_mask_that_is_all_void_is_named(tmp_path: Path) -> None:
    truth = Truth(np.zeros((3, 4), bool), void=np.ones((3, 4), bool))
    (cases,) = sets_of_masks([("SET", _one_mask(tmp_path))])
    grey = np.zeros((3, 4), np.uint8)
    bad = measure_job(Job(cases.cases[0], grey, truth), Rules(noncam=NonCam.NEGATIVES))
    assert isinstance(bad, BadFile)
    assert bad.reason == "all of the mask is void"


def _one_mask(folder: Path) -> Path:
    (folder / "masks").mkdir()
    Image.new("L", (4, 3)).save(folder / "masks" / "a.png")
    return folder / "masks"


@pytest.mark.parametrize("stretch", [False, True])
def test_the_atlas_and_the_suite_have_one_threshold(stretch: bool) -> None:
    rng = np.random.default_rng(1)
    for low, high in ((0, 256), (100, 160), (3, 4), (127, 129)):
        grey = rng.integers(low, high, (20, 20), dtype=np.uint8)
        mask = rng.random((20, 20)) < 0.3
        hit = binarise(grey, stretch=stretch)
        union = (hit | mask).sum()
        assert (hit & mask).sum() / union == measure(grey, mask, stretch=stretch).iou


def test_a_missing_map_finds_nothing_and_is_marked(jobs: list[Job]) -> None:
    result = measure_job(replace(jobs[0], map=None), Rules())
    assert isinstance(result, ImageResult)
    assert result.missing
    assert result.measures.iou == 0
    assert result.loss is None


def test_empty_masks_and_noncam_are_dropped_unless_wanted(cases: CaseSet) -> None:
    empty = Job(cases.cases[0], None, Truth(np.zeros((4, 4), np.bool_)))
    assert isinstance(measure_job(empty, Rules()), Dropped)
    assert isinstance(measure_job(empty, Rules(NonCam.NEGATIVES)), ImageResult)
    named = replace(empty, case=replace(empty.case, stem="COD10K-NonCAM-1-Aquatic-1-x-1"))
    assert isinstance(
        measure_job(replace(named, truth=Truth(np.ones((4, 4), np.bool_))), Rules()), Dropped
    )


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
    results = [measure_job(Job(cases.cases[0], None, Truth(m)), Rules()) for m in masks]
    assert len({r.digest for r in results if isinstance(r, ImageResult)}) == 3


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (16, 8)])
def test_a_job_travels_whole_and_its_mask_as_bits(cases: CaseSet, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    grey = rng.integers(0, 256, shape, dtype=np.uint8)
    mask = rng.random(shape) < 0.5
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    came = pickle.loads(pickle.dumps(Job(cases.cases[0], grey, Truth(mask, ~mask, 9), image)))
    assert came.case == cases.cases[0]
    assert came.truth.brightest == 9
    truth = came.truth
    for got, want in (
        (came.map, grey),
        (truth.mask, mask),
        (truth.strict, ~mask),
        (came.image, image),
    ):
        assert got.dtype == want.dtype
        assert np.array_equal(got, want)
    bare = Job(cases.cases[0], None)
    assert pickle.loads(pickle.dumps(bare)) == bare
    large = np.zeros((800, 800), np.bool_)
    assert len(pickle.dumps(Job(cases.cases[0], None, Truth(large)))) < large.size // 8 + 2000


def test_the_other_rules_score_what_they_keep(jobs: list[Job]) -> None:
    other = Rules(NonCam.NAMED, stretch=True, convention=Convention.PUBLISHED)
    rules = Rules(other=other)
    result = measure_job(jobs[2], rules)
    assert isinstance(result, ImageResult)
    alone = measure_job(jobs[2], other)
    assert isinstance(alone, ImageResult)
    assert pickle.dumps(result.other) == pickle.dumps(alone.measures)
    empty = replace(jobs[2], truth=Truth(np.zeros((24, 30), np.bool_)))
    dropped = measure_job(empty, rules)
    assert isinstance(dropped, Dropped)
    assert dropped.other is not None
    assert dropped.other.iou == 0
    kept = measure_job(empty, replace(other, other=Rules()))
    assert isinstance(kept, ImageResult)
    assert kept.other is None
    # a map that fills [0, 1] and lies on no threshold has one score by both
    full = np.zeros((24, 30), np.uint8)
    full[3:9, 4:20] = 255
    both = measure_job(replace(jobs[2], map=full), rules)
    assert isinstance(both, ImageResult)
    assert both.other is both.measures


def test_a_map_of_a_single_level_is_marked(jobs: list[Job]) -> None:
    levels = []
    for level in (0, 77):
        result = measure_job(replace(jobs[0], map=np.full((24, 30), level, np.uint8)), Rules())
        assert isinstance(result, ImageResult)
        levels.append(result.flat)
    assert levels == [None, 77]


@pytest.mark.parametrize("convention", list(Convention))
def test_void_counts_in_no_score_of_either_convention(
    jobs: list[Job], convention: Convention
) -> None:
    rng = np.random.default_rng(3)
    mask, void = np.zeros((24, 30), np.bool_), np.zeros((24, 30), np.bool_)
    mask[4:12, 5:20], void[10:16, 3:22] = True, True
    grey = rng.integers(0, 200, (24, 30), dtype=np.uint8)
    rules = Rules(
        stretch=convention is Convention.PUBLISHED, atlas=True, convention=convention, other=Rules()
    )
    results = []
    for level in (0, 255):  # whatever is predicted there
        one = replace(
            jobs[0], map=np.where(void, level, grey).astype(np.uint8), truth=Truth(mask, void=void)
        )
        result = measure_job(one, rules)
        assert isinstance(result, ImageResult)
        results.append(result)
    known = ~void
    values = grey / 255
    if rules.stretch:
        values = (values - values[known].min()) / np.ptp(values[known])
    found = (values > 0.5 if rules.published else values >= 0.5) & known
    want = (found & mask & known).sum() / (found | (mask & known)).sum()
    for result in results:
        assert result.measures.iou == pytest.approx(want)
        assert result.measures.mae == pytest.approx(np.abs(values - mask)[known].mean())
        assert result.loss is not None
        assert result.loss.iou == pytest.approx(want)
        assert result.foreground == mask[known].mean()
    assert pickle.dumps(results[0].measures) == pickle.dumps(results[1].measures)
    assert pickle.dumps(results[0].other) == pickle.dumps(results[1].other)


def test_a_mask_that_is_all_void_is_left_out_by_name(jobs: list[Job]) -> None:
    none = np.zeros((24, 30), np.bool_)
    bad = measure_job(replace(jobs[0], truth=Truth(none, void=~none)), Rules())
    assert isinstance(bad, BadFile)
    assert bad.reason == "all of the mask is void"


def test_a_constant_map_is_not_stretched_by_what_is_void(jobs: list[Job]) -> None:
    mask, void = np.zeros((24, 30), np.bool_), np.zeros((24, 30), np.bool_)
    mask[4:12, 5:20], void[20:] = True, True
    rules = Rules(stretch=True, convention=Convention.PUBLISHED)
    flat = replace(jobs[0], map=np.full((24, 30), 77, np.uint8), truth=Truth(mask, void=void))
    result = measure_job(flat, rules)
    assert isinstance(result, ImageResult)
    assert result.measures.mae == pytest.approx(np.abs(77 / 255 - mask)[~void].mean())
