from pathlib import Path

import numpy as np
import pytest

from decamo.races.trial_files import (
    LostKind,
    LostTrial,
    Result,
    matrix,
    plain_of,
    read_result,
    write_result,
)
from tests.races.build import result


def test_what_is_written_is_read(tmp_path: Path) -> None:
    one = result(
        "high", {0: [0.1, 0.25], 1: [1 / 3, 0.5]}, lost=LostTrial(LostKind.DIVERGED, "at step 3")
    )
    write_result(tmp_path, one)
    assert read_result(tmp_path, "high") == one


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"rungs": {"x": {}}, "lost": ""}', "\xff"])
def test_what_cannot_be_read_is_as_if_it_were_not_there(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "high.json").write_text(text, encoding="latin-1")
    assert read_result(tmp_path, "high") == Result("high", {})


def test_a_rung_trained_again_forgets_those_after_it() -> None:
    one = result("a", {0: [0.1], 1: [0.2], 2: [0.3]})
    again = one.with_rung(1, result("a", {1: [0.9]}).rungs[1])
    assert sorted(again.rungs) == [0, 1]
    assert again.last is not None
    assert again.last.ious == {"i0": 0.9}
    assert one.seconds == 3


def test_images_are_matched_by_key() -> None:
    a, b = result("a", {1: [0.1, 0.2, 0.3]}).rungs[1], result("b", {1: [0.4, 0.5, 0.6]}).rungs[1]
    turned = type(b)(**vars(b) | {"ious": dict(reversed(list(b.ious.items())))})
    scores = matrix({"a": a, "b": turned})
    assert np.array_equal(scores["b"], [0.4, 0.5, 0.6])
    with pytest.raises(ValueError, match="same images"):
        matrix({"a": a, "b": result("b", {1: [0.4, 0.5]}).rungs[1]})


def test_a_report_leaves_single_images_out() -> None:
    plain = plain_of(result("a", {0: [0.1, 0.2]}))
    assert "ious" not in plain["rungs"][0]
    assert plain["rungs"][0]["iou"] == pytest.approx(0.15)
