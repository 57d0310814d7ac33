from decamo.diagnosis import SITUATION, TARGET, RunView, Thresholds
from decamo.diagnosis.case import open_case, series_of
from decamo.history import LogSegment, Point, TrainingLog
from tests.diagnosis.build import past


def opened(
    what: TrainingLog, baseline: Point | None = None, situation: Point | None = SITUATION
) -> RunView:
    return open_case(what, Thresholds(), TARGET, baseline, situation)


def branched(word: str) -> TrainingLog:
    points = past([0.5, 0.6, None, 0.61, 0.62]).points
    return TrainingLog(
        points, (LogSegment(1, "start"), LogSegment(4, word, settings={"a": {"b": 3}}))
    )


def test_a_branch_sets_out_from_the_last_score_before_it() -> None:
    case = opened(branched("branch"))
    assert case.baseline == Point(epoch=2, iou=0.6)
    assert [p.epoch for p in case.present] == [3, 4, 5]
    assert case.setting("a", "b") == 3
    assert case.setting("a", "c") is None


def test_going_on_and_extending_begin_nothing_new() -> None:
    for word in ("continue", "extend"):
        case = opened(branched(word))
        assert case.baseline is None
        assert len(case.present) == 5


def test_what_the_caller_says_goes_first() -> None:
    given = Point(epoch=3, iou=0.55)
    case = opened(branched("branch"), given)
    assert case.baseline is given
    assert case.baseline_source == "as given"
    assert [p.epoch for p in case.present] == [4, 5]


def test_a_new_stage_is_a_new_present_without_a_baseline() -> None:
    points = (Point(1, iou=0.1, stage=1), Point(2, iou=0.2, stage=2), Point(3, iou=0.3, stage=2))
    case = opened(TrainingLog(points))
    assert [p.epoch for p in case.present] == [2, 3]
    assert case.baseline is None
    assert len(case.whole("iou")[0]) == 3


def test_lone_late_lines_are_read_in_the_action_plans_situation_and_say_so() -> None:
    case = opened(past([0.65], first=106))
    assert case.baseline == SITUATION
    assert "assumed" in case.baseline_source
    epochs, scores = case.lengthened(5)
    assert epochs.tolist() == [86, 106]
    assert scores.tolist() == [0.6221, 0.65]


def test_nothing_is_assumed_where_it_would_be_far_fetched() -> None:
    for what in (
        past([0.65], first=300),  # long after its longest option
        past([0.65], first=40),  # before it
        past([0.65] * 5, first=106),  # enough to be judged alone
        past([0.65], first=106, settings={}),  # a run of which more is known
        past([None], first=106),
        past([0.35], first=106),  # another run
        past([0.85], first=106),
        TrainingLog(()),
    ):
        assert opened(what).baseline is None
    assert opened(past([0.65], first=106), situation=None).baseline is None


def test_a_log_that_shows_the_starting_point_itself_assumes_nothing() -> None:
    points = (Point(86, iou=0.6221), Point(106, iou=0.65))
    case = opened(TrainingLog(points))
    assert case.baseline == points[0]
    assert "assumed" not in case.baseline_source


def test_a_series_has_what_is_finite_and_cuts_what_is_absurd() -> None:
    points = [Point(1), Point(2, loss=float("nan")), Point(3, loss=1e300), Point(4, loss=0.5)]
    epochs, losses = series_of(points, "loss")
    assert epochs.tolist() == [3, 4]
    assert losses.tolist() == [1e12, 0.5]


def test_an_empty_past_has_no_span() -> None:
    assert opened(TrainingLog(())).span == (0, 0)
