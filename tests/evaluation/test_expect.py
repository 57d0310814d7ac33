import copy
import json
from pathlib import Path
from typing import Any

import pytest

from decamo.errors import SettingsError
from decamo.evaluation import Convention, convention_of, differences, read_report

REPORT: dict[str, Any] = {
    "datasets": [
        {"method": "A", "dataset": "X", "mean": {"iou": 0.5, "mae": 0.1},
         "protocol": {"noncam": "drop", "decamo": "1"}},
    ]
}  # fmt: skip


def changed(**mean: float) -> dict[str, Any]:
    report = copy.deepcopy(REPORT)
    report["datasets"][0]["mean"] |= mean
    return report


def test_the_same_is_as_expected() -> None:
    assert differences(REPORT, copy.deepcopy(REPORT), 1e-6) == ([], [])
    assert differences(REPORT, changed(iou=0.5 + 5e-7), 1e-6) == ([], [])


@pytest.mark.parametrize("value", [0.5 + 2e-6, 0.4, float("nan")])
def test_a_moved_score_is_named(value: float) -> None:
    moved, remarks = differences(REPORT, changed(iou=value), 1e-6)
    assert remarks == []
    assert len(moved) == 1
    assert moved[0].startswith("A on X: iou moved by")


def test_a_difference_of_protocol_is_named_but_the_version_is_only_remarked() -> None:
    other = copy.deepcopy(REPORT)
    other["datasets"][0]["protocol"] = {"noncam": "negatives", "decamo": "2"}
    moved, remarks = differences(REPORT, other, 1e-6)
    assert moved == ["A on X: protocol, noncam: was drop, is negatives"]
    assert remarks == ["A on X: protocol, decamo: was 1, is 2"]


def test_a_report_from_before_conventions_had_names_is_a_plain_one() -> None:
    named = copy.deepcopy(REPORT)
    named["datasets"][0]["protocol"] |= {"convention": "plain", "reading": ""}
    assert differences(REPORT, named, 1e-6) == ([], [])
    assert convention_of(REPORT) is convention_of(named) is Convention.PLAIN
    named["datasets"][0]["protocol"]["convention"] = "published"
    moved, _ = differences(REPORT, named, 1e-6)
    assert moved == ["A on X: protocol, convention: was plain, is published"]
    both = {"datasets": REPORT["datasets"] + named["datasets"]}
    with pytest.raises(SettingsError, match="plain, published"):
        convention_of(both)


def test_what_is_gone_and_what_is_new_is_named() -> None:
    other = copy.deepcopy(REPORT)
    other["datasets"][0]["method"] = "B"
    moved, _ = differences(REPORT, other, 1e-6)
    assert moved == ["A on X: was scored before, is not now", "B on X: was not scored before"]
    fewer = copy.deepcopy(REPORT)
    del fewer["datasets"][0]["mean"]["mae"]
    assert differences(REPORT, fewer, 1e-6)[0] == ["A on X: mae: was 0.1, is None"]


def test_what_was_not_measured_before_is_only_remarked() -> None:
    later = changed(ece=0.04, found_share=0.1, object_share=0.2)
    remark = "A on X: ece, found_share, object_share: not measured before"
    assert differences(REPORT, later, 1e-6) == ([], [remark])
    assert differences(later, changed(ece=0.05, found_share=0.1, object_share=0.2), 1e-6) == (
        ["A on X: ece moved by +0.01: was 0.04000000, is 0.05000000"],
        [],
    )
    assert differences(later, REPORT, 1e-6)[0][0] == "A on X: ece: was 0.04, is None"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"datasets": []}', '{"datasets": [{}]}'])
def test_what_is_no_report_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match="--expect"):
        read_report(path)
    path.write_text(json.dumps(REPORT))
    assert read_report(path) == REPORT
