import io

import pytest

from decamo.diagnosis import Cause, advise, diagnose_log
from decamo.diagnosis.causes import WEIGHTS
from decamo.diagnosis.symptom import SymptomKind
from decamo.history import Point, TrainingLog
from decamo.report.diagnosis_text import diagnosis_blocks, diagnosis_text, tell
from tests.diagnosis.test_verdict import BLOCKS


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_told_comes_in_order_and_fits(name: str) -> None:
    past = TrainingLog(BLOCKS[name][0])
    found = diagnose_log(past)
    advice = advise(past, found)
    blocks = diagnosis_blocks(found, advice)
    titles = [b.title.split(":")[0] for b in blocks[1:]]
    order = ["Evidence", "Also seen", "Likely causes", "What to do now", "If that does not help",
             "When to look again", "What was read and assumed"]  # fmt: skip
    assert titles == [t for t in order if t in titles]
    assert {"Evidence", "Likely causes", "What to do now"} <= set(titles)
    assert not blocks[0].lines
    text = diagnosis_text(found, advice)
    assert advice.first.command in text  # unindented, whole: it can be pasted
    for line in text.splitlines()[1:]:
        assert len(line) <= 110
        assert line == line.rstrip()
    for change in advice.first.changes:
        assert f"{change.flag} " in text
        assert change.why in " ".join(text.split())


def test_every_word_shouts_the_verdict() -> None:
    for name, (points, _) in BLOCKS.items():
        past = TrainingLog(points)
        found = diagnose_log(past)
        headline = diagnosis_blocks(found, advise(past, found))[0].title
        assert headline.lower() == found.verdict.sentence.lower(), name
        assert headline[:6].isupper() or headline.startswith("A "), name


def test_broken_runs_are_called_so() -> None:
    past = TrainingLog((Point(epoch=1, loss=float("nan"), iou=0.5), Point(2, float("nan"))))
    found = diagnose_log(past)
    assert found.kind == SymptomKind.NON_FINITE
    assert diagnosis_text(found, advise(past, found)).startswith("BROKEN: ")


def test_styles_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    past = TrainingLog(BLOCKS["still stuck"][0])
    found = diagnose_log(past)
    advice = advise(past, found)
    plain, styled = io.StringIO(), Terminal()
    tell(found, advice, plain)
    tell(found, advice, styled)
    assert plain.getvalue() == diagnosis_text(found, advice) + "\n"
    assert "\x1b[" in styled.getvalue()
    assert advice.first.command.splitlines()[0] in styled.getvalue()


def test_every_cause_and_kind_has_words() -> None:
    past = TrainingLog(BLOCKS["still stuck"][0])
    found = diagnose_log(past)
    for counsel in advise(past, found).counsels:
        assert counsel.suspicion.cause in Cause
    assert {k for k in WEIGHTS if isinstance(k, SymptomKind)} == set(SymptomKind)
