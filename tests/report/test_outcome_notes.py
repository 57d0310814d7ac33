from dataclasses import replace
from pathlib import Path

from decamo.data.census import BadFile
from decamo.evaluation import Outcome
from decamo.report.outcome_notes import outcome_notes
from tests.report.scores import made


def test_all_that_is_odd_is_told_and_nothing_else() -> None:
    score = made("M", "SET")
    plain = Outcome(score.results, score.protocol, (), ())
    assert outcome_notes("M on SET", plain) == []
    odd = Outcome(
        tuple(replace(r, missing=True, dim=True) for r in score.results),
        score.protocol,
        (BadFile("x", Path("x.png"), "the file is empty"),),
        (Path("maps/stranger.png"),),
    )
    bad, missing, extra, dim = outcome_notes("M on SET", odd)
    assert bad == "left out: x.png: the file is empty"
    assert missing.startswith("M on SET: 6 masks without a map count as nothing found: COD10K")
    assert missing.endswith(" ...")
    assert extra.endswith("1 maps belong to no mask and are not scored: stranger.png")
    assert "6 maps hold no level above 1 of 255" in dim
