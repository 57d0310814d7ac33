import math

from decamo.history import TrainingLog
from decamo.history.gathering import Gathering
from decamo.history.log_names import ColumnMeaning
from decamo.history.parsed_lines import ParsedLine, Said


def said(name: str, value: float, rank: int = 2, group: str = "") -> Said:
    return Said(ColumnMeaning(name, rank, group), value)


def past(*seen: ParsedLine) -> TrainingLog:
    gathering = Gathering("log")
    for parsed in seen:
        gathering.see(parsed)
    return gathering.past()


def iou(epoch: int, value: float, total: int | None = None) -> ParsedLine:
    return ParsedLine(epoch, (said("iou", value),), total)


def test_several_lines_of_an_epoch_are_one_point() -> None:
    result = past(
        ParsedLine(5, (said("loss", 0.5), said("lr", 0.1, group="head"))),
        ParsedLine(None, (said("iou", 0.6), said("lr", 0.01, group="backbone"))),
    )
    (point,) = result.points
    assert (point.epoch, point.loss, point.iou, point.lr) == (5, 0.5, 0.6, 0.1)
    assert point.rates == {"head": 0.1, "backbone": 0.01}
    assert result.notes == ()


def test_a_better_authority_wins_whatever_the_order() -> None:
    for ranks in ((3, 2), (2, 3)):
        lines = [ParsedLine(1, (said("iou", rank / 10, rank),)) for rank in ranks]
        assert past(*lines).points[0].iou == 0.3


def test_going_back_with_other_values_is_a_resume() -> None:
    result = past(
        *(iou(n, n / 100, total=5) for n in (1, 2, 3, 4, 5)),
        *(iou(n, n / 50, total=9) for n in (3, 4)),
    )
    assert [(p.epoch, p.iou) for p in result.points] == [
        *((1, 0.01), (2, 0.02), (3, 0.06), (4, 0.08))
    ]
    assert [(s.first_epoch, s.planned_end) for s in result.stretches] == [(1, 5), (3, 9)]
    assert result.stretches[1].reason
    assert [note.split(": ")[-1] for note in result.notes] == ["epochs 3 to 4", "epochs 5"]


def test_going_back_with_what_is_known_or_new_is_no_resume() -> None:
    late = ParsedLine(1, (said("iou", 0.1), said("dice", 0.2)))
    result = past(iou(1, 0.1), iou(3, 0.3), late, iou(2, 0.2), iou(3, 0.3))
    assert [(p.epoch, p.iou) for p in result.points] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert result.points[0].dice == 0.2
    assert len(result.stretches) == 1
    assert result.notes == ()


def test_an_epoch_that_contradicts_itself_keeps_the_later_value() -> None:
    result = past(iou(1, 0.1), iou(1, 0.2))
    assert result.points[0].iou == 0.2
    assert "more than once" in result.notes[0]
    assert len(result.stretches) == 1


def test_another_end_is_another_stretch() -> None:
    result = past(iou(86, 0.1, total=86), iou(87, 0.2, total=120))
    assert [(s.first_epoch, s.planned_end) for s in result.stretches] == [(86, 86), (87, 120)]


def test_epochs_from_zero_are_shifted() -> None:
    result = past(iou(0, 0.1, total=3), iou(1, 0.2, total=3), iou(2, 0.3, total=3))
    assert [p.epoch for p in result.points] == [1, 2, 3]
    assert result.stretches[0].planned_end == 3
    assert "from 0" in result.notes[0]


def test_an_epoch_zero_before_training_is_none() -> None:
    result = past(iou(0, 0.1), *(iou(n, n / 10, total=3) for n in (1, 2, 3)))
    assert [p.epoch for p in result.points] == [1, 2, 3]


def test_running_losses_are_averaged_and_give_way_to_a_final_one() -> None:
    steps = [ParsedLine(1, (said("loss", v), said("lr", v)), running=True) for v in (0.5, 0.25)]
    assert past(*steps).points[0].loss == 0.375
    assert past(*steps).points[0].lr == 0.5
    assert past(*steps, ParsedLine(1, (said("loss", 0.1),))).points[0].loss == 0.1


def test_a_broken_loss_is_kept_and_impossible_scores_are_not() -> None:
    result = past(
        ParsedLine(1, (said("loss", math.nan), said("iou", 1.5), said("dice", -0.1))),
        ParsedLine(2, (said("iou", 0.5), said("lr", math.nan))),
    )
    first, second = result.points
    assert first.loss is not None
    assert math.isnan(first.loss)
    assert (first.iou, first.dice, second.iou, second.lr) == (None, None, 0.5, None)
    assert "iou 1.5 at epoch 1" in result.notes[0]


def test_percentages_without_a_sign_are_known_by_all_being_above_one() -> None:
    result = past(iou(1, 0.0), iou(2, 61.0), iou(3, 62.0))
    assert [p.iou for p in result.points] == [0.0, 0.61, 0.62]
    assert [p.epoch for p in past(iou(2, 0.6), iou(3, 62.0)).points] == [2]


def test_lines_without_any_number_are_counted() -> None:
    result = past(*(ParsedLine(None, (said("iou", v),)) for v in (0.1, 0.2)))
    assert [(p.epoch, p.iou) for p in result.points] == [(1, 0.1), (2, 0.2)]


def test_a_headline_numbers_what_follows_and_a_step_back_is_still_seen() -> None:
    gathering = Gathering("log")
    for epoch, value in ((1, 0.1), (2, 0.2), (3, 0.3), (2, 0.25)):
        gathering.announce(epoch, 10)
        gathering.see(ParsedLine(None, (said("iou", value),)))
    result = gathering.past()
    assert [(p.epoch, p.iou) for p in result.points] == [(1, 0.1), (2, 0.25)]
    assert [(s.first_epoch, s.planned_end) for s in result.stretches] == [(1, 10), (2, 10)]


def test_nothing_is_a_past_with_a_note() -> None:
    assert past().points == ()
    assert past().stretches == ()
    assert past().notes == ("no epoch found",)
