from dataclasses import replace
from pathlib import Path

import pytest

from decamo.data.audit import Audit, Finding, audit_data
from decamo.report.audit_report import audit_text


@pytest.fixture(scope="module")
def audit(scenes: Path) -> Audit:
    return audit_data([scenes], workers=1)


def test_tables_have_every_split(audit: Audit) -> None:
    rows = [line.split() for line in audit_text(audit).splitlines()]
    assert ["scenes", "test", "4", "4", "4", "4"] in [row[:6] for row in rows]
    assert ["scenes", "train", "15", "15", "15", "15"] in [row[:6] for row in rows]


def test_what_breaks_is_named_in_full_and_the_rest_is_counted(audit: Audit) -> None:
    broken = [Finding("truncated", Path(f"cut{n}.jpg"), "cut") for n in range(8)]
    odd = [Finding("tiny", Path(f"tiny{n}.jpg"), "1 x 1") for n in range(8)]
    lines = audit_text(replace(audit, findings=(*broken, *odd))).splitlines()
    assert sum("  cut" in line for line in lines) == 8
    assert sum("  tiny" in line for line in lines) == 5
    assert "  and 3 more" in lines
    assert "broken: truncated: 8" in lines
    assert lines[-1] == "8 broken, 0 leak, 8 warning, 0 note"


def test_a_name_cannot_steer_the_terminal(audit: Audit) -> None:
    evil = Finding("tiny", Path("a\n\x1b[2J\udce9.jpg"), "1 x 1")
    text = audit_text(replace(audit, findings=(evil,)))
    assert "  a??[2J?.jpg: 1 x 1" in text
    text.encode()


def test_nothing_amiss(audit: Audit) -> None:
    assert audit_text(replace(audit, findings=())).endswith("nothing found amiss")


def test_what_values_mean_is_said_split_by_split(audit: Audit) -> None:
    lines = audit_text(audit).splitlines()
    assert "train: masks of scenes: 0/255 in 14, a single value in 1 of 15 masks" in lines
    assert any(line.startswith("test: masks of scenes: 0/255 in") for line in lines)
