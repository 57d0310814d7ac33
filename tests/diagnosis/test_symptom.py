import pytest

from decamo.diagnosis import SEVERITIES, Evidence, Severity, Symptom, SymptomKind


@pytest.mark.parametrize(("severity", "alarms"), [*zip(SEVERITIES, [0, 0, 0, 1, 1], strict=True)])
def test_warnings_and_worse_are_alarms(severity: Severity, alarms: int) -> None:
    evidence = (Evidence("IoU", 0.6, None, (1, 2)),)
    assert Symptom(SymptomKind.SLOW, severity, (1, 2), "slow", evidence, 1.0).alarms == bool(alarms)


def test_a_kind_is_its_word() -> None:
    assert str(SymptomKind.STILL_STUCK) == "still_stuck"
    assert SymptomKind("plateau") is SymptomKind.PLATEAU
