import pytest

from decamo.diagnosis import SEVERITIES, Diagnosis, Evidence, Severity, Symptom, SymptomKind
from decamo.report.advice_section import VERDICT_STYLE, verdict_section
from tests.report.reader import Reader


def symptom(kind: SymptomKind = SymptomKind.PLATEAU, severity: Severity = "warning") -> Symptom:
    evidence = (
        Evidence("IoU gained <x>", 0.0041234, 0.01, (70, 86)),
        Evidence("scheduler", "none", None, (86, 86)),
    )
    return Symptom(kind, severity, (70, 86), "a plateau & more", evidence, 0.973)


def test_the_verdict_has_sentence_evidence_and_word() -> None:
    verdict = symptom()
    read = Reader(verdict_section(Diagnosis(verdict, (verdict,), ())))
    for words in (
        "Plateau",
        "A plateau & more",
        "IoU gained <x>",
        "0.0041",
        "0.0100",
        "70 to 86",
        "86",
        "none",
        "sure to 97%",
        "warning",
    ):
        assert words in read.text
    assert len(read.all("details")) == 0


def test_other_symptoms_are_folded() -> None:
    verdict, other = symptom(), symptom(SymptomKind.LR_EXHAUSTED, "info")
    read = Reader(verdict_section(Diagnosis(verdict, (verdict, other, other), ())))
    assert len(read.all("details")) == 2
    assert "LR exhausted" in read.text


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_severity_is_a_word_a_sign_and_a_colour(severity: Severity) -> None:
    verdict = symptom(severity=severity)
    read = Reader(verdict_section(Diagnosis(verdict, (verdict,), ())))
    assert severity in read.text.split()
    colour = str(read.all("div")[0]["class"]).split()[1]
    assert f".{colour}{{color:" in VERDICT_STYLE


def test_signs_differ() -> None:
    signs = {
        Reader(verdict_section(Diagnosis(s, (s,), ()))).text.split()[0]
        for severity in SEVERITIES
        for s in [symptom(severity=severity)]
    }
    assert len(signs) == len(SEVERITIES)
