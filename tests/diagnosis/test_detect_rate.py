import pytest

from decamo.diagnosis.detect_rate import lr_exhausted, lr_rising, never_anneals, schedule_idle
from decamo.schedule import LRSchedule
from tests.diagnosis.build import past, seen


def cosine(epochs: int, of: int, floor: float = 1e-5) -> list[float]:
    curve = LRSchedule("cosine", 2e-4, floor, of)
    return [curve.at(i) for i in range(epochs)]


def test_the_end_of_a_cosine_is_spent() -> None:
    (symptom,) = seen(lr_exhausted, past(lrs=cosine(34, 34), first=87))
    assert symptom.severity == "info"
    assert "5.0%" in symptom.sentence
    assert not seen(lr_exhausted, past(lrs=cosine(20, 34)))
    assert not seen(lr_exhausted, past(lrs=[1e-5] * 30))
    assert not seen(lr_exhausted, past(lrs=[0.0, 0.0]))


def test_the_action_plans_old_approach_never_anneals() -> None:
    (symptom,) = seen(never_anneals, past(lrs=[2e-4] * 20))
    assert "0.000200" in symptom.sentence
    assert not seen(never_anneals, past(lrs=[2e-4] * 16))
    assert not seen(never_anneals, past(lrs=cosine(20, 30)))
    flat = [2e-4] * 20
    assert seen(never_anneals, past(lrs=flat, settings={"schedule": {"scheduler": "none"}}))
    assert not seen(never_anneals, past(lrs=flat, settings={"schedule": {"scheduler": "cosine"}}))
    polishing = {"schedule": {"scheduler": "none"}}
    assert not seen(never_anneals, past(lrs=flat, settings=polishing, stage=3))


def idle(epochs: int, end: int, scheduler: str = "cosine", stage: int | None = None) -> int:
    settings = {"schedule": {"scheduler": scheduler, "epochs": end, "stage1_epochs": 30}}
    what = past(lrs=[2e-4] * epochs, settings=settings, planned_end=end, stage=stage)
    return len(seen(schedule_idle, what))


def test_a_constant_rate_under_a_cosine_is_idle_once_the_cosine_would_show() -> None:
    assert not idle(5, 120)  # a cosine over 120 epochs has moved by 0.3 % after 5
    assert idle(40, 120)
    assert idle(8, 12)
    assert not idle(40, 120, "none")
    assert not idle(40, 120, stage=3)


@pytest.mark.parametrize("odd", [{"t_mult": "x"}, {"cycles": 0.5}, {"epochs": "many"}])
def test_odd_settings_of_other_tools_break_nothing(odd: dict[str, object]) -> None:
    settings = {"schedule": {"scheduler": "cosine_restart", "epochs": 40} | odd}
    seen(schedule_idle, past(lrs=[2e-4] * 30, settings=settings))


def test_a_rate_that_moves_is_not_idle() -> None:
    settings = {"schedule": {"scheduler": "cosine", "epochs": 40}}
    assert not seen(schedule_idle, past(lrs=cosine(30, 40), settings=settings))


def test_a_rise_after_a_fall() -> None:
    (symptom,) = seen(lr_rising, past(lrs=[2e-4, 1e-4, 5e-5, 1.5e-4, 1.4e-4]))
    assert symptom.epochs == (3, 4)
    assert symptom.severity == "info"
    restarts = {"schedule": {"scheduler": "cosine_restart"}}
    assert not seen(lr_rising, past(lrs=[2e-4, 5e-5, 1.5e-4], settings=restarts))
    known = {"schedule": {"scheduler": "cosine"}}
    (symptom,) = seen(lr_rising, past(lrs=[2e-4, 5e-5, 1.5e-4], settings=known))
    assert symptom.severity == "notice"


def test_a_warm_up_is_no_rise() -> None:
    assert not seen(lr_rising, past(lrs=[1e-5, 1e-4, 2e-4, 1.9e-4, 1.5e-4]))
