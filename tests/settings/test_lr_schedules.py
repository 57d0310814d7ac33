import pytest

from decamo.errors import SettingsError
from decamo.schedule import Lineage, Position, Segment, SegmentKind, resume, review
from decamo.settings import ScheduleSettings
from decamo.settings import schedule as lr_schedules
from decamo.settings.schedule import height_of, lr_schedule_names, register_lr_schedule


@pytest.fixture(autouse=True)
def poly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lr_schedules, "_REGISTERED", {})
    register_lr_schedule("poly", lambda done: (1 - done) ** 0.9)


def lineage(**how: object) -> Lineage:
    schedule = ScheduleSettings(
        epochs=5, skip_stage1=True, scheduler="poly", stage2_batch_size=1, accumulation_steps=1,
        **how,  # type: ignore[arg-type]
    )  # fmt: skip
    return Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, schedule, 4),))


def test_it_is_followed_step_by_step_from_the_peak_to_the_floor() -> None:
    plan = lineage().plan
    expected = [0.00001 + 0.00019 * (1 - k / 19) ** 0.9 for k in range(20)]
    assert [plan.lr(k) for k in range(20)] == pytest.approx(expected, rel=1e-12)
    assert plan.lr(19) == 0.00001


def test_the_warm_up_comes_before_it() -> None:
    plan = lineage(warmup_epochs=1).plan
    assert [plan.lr(k) for k in range(4)] == sorted(plan.lr(k) for k in range(4))
    assert plan.lr(4) == 0.0002


def test_a_resume_goes_on_and_an_extension_stretches_it() -> None:
    held = Lineage.from_plain(lineage().to_plain())
    schedule = held.last.schedule
    assert resume(held, schedule, Position(2, 8), images=4).kind == "continue"
    later = ScheduleSettings(**{**vars(schedule), "epochs": 9})
    went = resume(held, later, Position(2, 8), images=4)
    assert went.kind == "extend"
    assert went.lineage.plan.lr(35) == 0.00001


def test_who_reads_a_run_without_it_is_told_where_a_rate_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = lineage().to_plain()
    monkeypatch.setattr(lr_schedules, "_REGISTERED", {})
    held = Lineage.from_plain(plain)
    assert not held.plan.stages[0].curve.known
    with pytest.raises(SettingsError, match=r"got 'poly'.*register_lr_schedule\('poly', \.\.\.\)"):
        held.plan.lr(0)


def test_such_a_run_goes_on_with_a_schedule_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = lineage().to_plain()
    monkeypatch.setattr(lr_schedules, "_REGISTERED", {})
    held = Lineage.from_plain(plain)
    cosine = ScheduleSettings(**{**vars(held.last.schedule), "scheduler": "cosine", "epochs": 9})
    went = resume(held, cosine, Position(2, 8), images=4)
    assert went.kind == "branch"
    assert not review(went.lineage, Position(2, 8))
    assert went.lineage.plan.lr(35) == 0.00001


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"got 'pley'.*did you mean poly\?"):
        height_of("pley")


@pytest.mark.parametrize(
    ("name", "height", "got"),
    [("cosine", 0.5, "built-in"), ("high", 1.5, "1.5 at 0"), ("nan", float("nan"), "nan at 0")],
)
def test_what_cannot_be_one_is_refused(name: str, height: float, got: str) -> None:
    with pytest.raises(SettingsError, match=got):
        register_lr_schedule(name, lambda _done: height)
    assert lr_schedule_names() == (*lr_schedules.BUILT_IN, "poly")
    assert height_of("cosine") is None
