import math

from hypothesis import given
from hypothesis import strategies as st

from decamo.history.log_names import ColumnMeaning
from decamo.history.parsed_lines import Said, SeenEpoch, spans


def said(value: float, rank: int = 2, *, running: bool = False) -> Said:
    return Said(ColumnMeaning("loss", rank, running=running), value)


def test_a_value_contradicts_on_the_same_authority_alone() -> None:
    seen = SeenEpoch()
    seen.take([said(0.5)], running=False)
    assert seen.differs([said(0.6)])
    assert not seen.differs([said(0.5)])
    assert not seen.differs([said(0.6, rank=3)])
    assert not seen.differs([said(0.6, running=True)])
    assert not seen.differs([Said(ColumnMeaning("iou", 2), 0.6)])


def test_not_a_number_does_not_contradict_itself() -> None:
    seen = SeenEpoch()
    seen.take([said(math.nan)], running=False)
    assert not seen.differs([said(math.nan)])
    assert seen.differs([said(1.0)])


def test_a_group_is_part_of_the_key() -> None:
    assert Said(ColumnMeaning("lr", 2, "head"), 0.1).key == "lr/head"
    assert Said(ColumnMeaning("lr", 2), 0.1).key == "lr"


@given(st.sets(st.integers(0, 300)))
def test_spans_name_every_number_once(numbers: set[int]) -> None:
    words = spans(numbers)
    if "more" not in words:
        named: list[int] = []
        for part in filter(None, words.split(", ")):
            begin, _, end = part.partition(" to ")
            named += range(int(begin), int(end or begin) + 1)
        assert named == sorted(numbers)


def test_many_spans_are_counted() -> None:
    assert spans(range(0, 20, 2)) == "0, 2, 4, 6, 8 and 5 more spans"
