from pathlib import Path

import numpy as np

from decamo.evaluation import MapMethod, Measurer, Rules, run_method, score_set, sets_of_masks
from decamo.report.error_pictures import atlas_cases
from tests.evaluation.conftest import square, write_greys


def test_cases_carry_the_pixels_that_were_scored(tmp_path: Path) -> None:
    masks = {f"m{n:02}": square(2, 2, 4 + n) for n in range(10)}
    (cases,) = sets_of_masks([("SET", write_greys(tmp_path / "GT", masks))])
    maps = {stem: np.roll(mask, 1, 0) for stem, mask in masks.items()}
    method = MapMethod("M", write_greys(tmp_path / "maps", maps), alone=True)
    rules = Rules(atlas=True)
    with Measurer(1, rules) as measurer:
        outcome = run_method(method, cases, measurer, split="")
    score = score_set("M", "SET", outcome.protocol, outcome.results, count=0)

    made = atlas_cases(score, method, cases, rules)

    assert [c.result.stem for c in made][:4] == ["m00", "m01", "m02", "m03"]
    for case in made:
        assert np.array_equal(case.grey, maps[case.result.stem])
        assert np.array_equal(case.mask, masks[case.result.stem] > 0)
        assert case.image is None
