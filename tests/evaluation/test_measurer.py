from dataclasses import replace

import numpy as np
import pytest

from decamo.errors import DataError
from decamo.evaluation import ImageResult, Job, Measurer, Rules


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
