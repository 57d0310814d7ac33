import pytest

from decamo.evaluation import Convention, NonCam


@pytest.mark.parametrize(
    ("noncam", "left_out"),
    [
        (NonCam.DROP, {(True, True), (True, False), (False, True)}),
        (NonCam.NAMED, {(True, True), (True, False)}),
        (NonCam.NEGATIVES, set()),
    ],
)
def test_what_is_left_out(noncam: NonCam, left_out: set[tuple[bool, bool]]) -> None:
    every = {(named, empty) for named in (True, False) for empty in (True, False)}
    assert {p for p in every if noncam.leaves_out(named=p[0], empty=p[1])} == left_out


def test_each_is_the_other_s_other_and_has_its_own_defaults() -> None:
    assert Convention.PUBLISHED.other is Convention.PLAIN
    assert Convention.PLAIN.other is Convention.PUBLISHED
    assert Convention.PUBLISHED.noncam is NonCam.NAMED
    assert Convention.PLAIN.noncam is NonCam.DROP


def test_the_head_names_every_rule_in_force() -> None:
    head = Convention.PUBLISHED.head(stretch=True, noncam="named")
    assert head.startswith("published protocol, as pysodmetrics: each map stretched to [0, 1]; ")
    assert "mask > 128, and map > 0.5" in head
    assert head.endswith("empty masks kept, NonCAM by name left out")
    plain = Convention.PLAIN.head(stretch=False, noncam="drop")
    assert plain.startswith("plain protocol: maps as they are; ")
    assert "mask >= 128, and map >= 0.5" in plain
    assert "stretched" in Convention.PLAIN.head(stretch=True, noncam="drop")
    ids = Convention.PLAIN.head(stretch=False, noncam="drop", by_values=True)
    assert "object is mask by the meaning of its values, and map >= 0.5" in ids
    heads = {Convention.PLAIN.head(stretch=False, noncam=n) for n in NonCam}
    assert len(heads) == 3
