from pathlib import Path

import numpy as np
import pytest

from decamo.errors import DataError, TooManyBadImages
from decamo.evaluation import CaseSet, MapMethod, Measurer, Rules, run_method, sets_of_masks
from tests.evaluation.conftest import Grey, write_greys


@pytest.fixture
def cases(tmp_path: Path, masks: dict[str, Grey]) -> CaseSet:
    greys = masks | {"empty": np.zeros((5, 5), np.uint8)}
    return sets_of_masks([("SET", write_greys(tmp_path / "GT", greys))])[0]


def test_the_protocol_counts_what_happened(
    tmp_path: Path, cases: CaseSet, masks: dict[str, Grey]
) -> None:
    lost, small, *_ = sorted(masks)
    maps = {k: v for k, v in masks.items() if k != lost} | {small: np.zeros((7, 7), np.uint8)}
    method = MapMethod("M", write_greys(tmp_path / "maps", maps), True, missing="zero")
    told: list[int] = []
    with Measurer(1, Rules(resize=True)) as measurer:
        outcome = run_method(method, cases, measurer, split="", on_done=lambda: told.append(1))
    protocol = outcome.protocol
    assert (protocol.images, protocol.dropped, protocol.missing) == (6, 1, 1)
    assert (protocol.resized, protocol.unreadable) == (1, 0)
    assert protocol.resize == "bilinear to the mask's size"
    assert sum(r.measures.iou == 1 for r in outcome.results) == 4
    assert len(told) == 7


def test_nothing_left_and_too_much_broken_are_told(
    tmp_path: Path, cases: CaseSet, masks: dict[str, Grey]
) -> None:
    method = MapMethod("M", write_greys(tmp_path / "maps", masks), True)
    with Measurer(1, Rules()) as measurer:
        with pytest.raises(DataError, match="nothing to score"):
            run_method(method, CaseSet("SET", cases.cases[-1:]), measurer, split="")
        cases.cases[0].mask.write_bytes(b"")
        with pytest.raises(TooManyBadImages, match="1 of 6"):
            run_method(method, CaseSet("SET", cases.cases[:6]), measurer, split="")
