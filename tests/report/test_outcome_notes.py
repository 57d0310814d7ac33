from dataclasses import replace
from pathlib import Path

from decamo.data.census import BadFile
from decamo.evaluation import MethodOutcome
from decamo.report.outcome_notes import outcome_notes
from tests.report.scores import made


def test_all_that_is_odd_is_told_and_nothing_else() -> None:
    score = made("M", "SET")
    plain = MethodOutcome(score.results, score.protocol, (), ())
    assert outcome_notes("M on SET", plain) == []
    odd = MethodOutcome(
        tuple(replace(r, missing=True, dim=True) for r in score.results),
        score.protocol,
        (BadFile("x", Path("x.png"), "the file is empty"),),
        (Path("maps/stranger.png"),),
    )
    bad, missing, extra, dim = outcome_notes("M on SET", odd)
    assert bad == "left out: x.png: the file is empty"
    assert missing.startswith("M on SET: 6 masks without a map count as nothing found: COD10K")
    assert missing.endswith(" ...")
    assert extra.endswith("1 map belongs to no mask and is not scored: stranger.png")
    assert "6 maps hold no level above 1 of 255" in dim


def test_masks_that_count_as_empty_though_they_are_not_black_are_named() -> None:
    score = made("M", "SET")
    faint = tuple((f"m{n}", 100) for n in range(7))
    (line,) = outcome_notes(
        "M on SET", MethodOutcome(score.results, score.protocol, (), (), faint=faint)
    )
    assert line.startswith("M on SET: 7 masks are not black but have no level of 128 or more")
    assert "m0 (100), m1 (100)" in line
    assert "m5" not in line
    protocol = replace(score.protocol, convention="published", stretch=True, reading="2 files so")
    results = tuple(replace(r, dim=True, flat=77.0) for r in score.results)
    reading, above, flat = outcome_notes("M", MethodOutcome(results, protocol, (), (), faint=faint))
    assert reading == "M: 2 files so"
    assert "no level above 128" in above
    assert "6 maps have one single level" in flat
    assert "(77)" in flat
