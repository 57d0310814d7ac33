from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.synthetic_runs import SORTS, make_run
from decamo.diagnosis import Advice, Cause, Diagnosis, SymptomKind, advise, diagnose_log
from decamo.diagnosis.advice import REMEDIES
from decamo.diagnosis.causes import PRIORS
from decamo.errors import SettingsError
from decamo.history import LogSegment, Point, TrainingLog
from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain, to_plain
from tests.diagnosis.build import past
from tests.diagnosis.obey import obey, rates
from tests.diagnosis.test_detect_pace import turned_down
from tests.diagnosis.test_verdict import BLOCKS, EXPLODES, SLOW, STUCK, fuzzed


def advised(what: TrainingLog, **known: Any) -> tuple[Diagnosis, Advice]:
    found = diagnose_log(what, **known)
    return found, advise(what, found)


def value(words: tuple[str, ...], flag: str) -> str:
    return words[words.index(flag) + 1]


def of(advice: Advice, cause: Cause) -> Any:
    return next(c for c in advice.counsels if c.suspicion.cause == cause)


def test_every_cause_has_a_remedy() -> None:
    assert set(REMEDIES) == set(PRIORS)


@pytest.mark.parametrize("name", BLOCKS)
def test_probabilities_sum_to_one_and_fall(name: str) -> None:
    _, advice = advised(TrainingLog(BLOCKS[name][0]))
    shares = [c.suspicion.probability for c in advice.counsels]
    assert sum(shares) == pytest.approx(1)
    assert all(a >= b for a, b in pairwise(shares))


def test_an_explosion_lowers_the_rate_and_warms_up() -> None:
    found, advice = advised(TrainingLog(EXPLODES))
    assert found.kind == SymptomKind.EXPLOSION
    assert advice.counsels[0].suspicion.cause == Cause.RATE_TOO_HIGH
    assert value(advice.first.words, "--stage2-lr") == "0.0002"
    assert value(advice.first.words, "--warmup-epochs") == "5"
    assert "downwards" in advice.rate


def test_still_stuck_raises_rate_and_floor_and_thinks_of_size() -> None:
    found, advice = advised(TrainingLog((STUCK,)))
    assert found.kind == SymptomKind.STILL_STUCK
    assert value(advice.first.words, "--stage2-lr") == "0.0004"
    assert value(advice.first.words, "--min-lr") == "0.00005"
    assert any("--img-size 416 or 448" in step for step in advice.first.steps)
    assert advice.counsels[1].suspicion.cause == Cause.RESOLUTION
    assert value(advice.counsels[1].remedy.words, "--img-size") == "416"


def test_slow_but_moving_keeps_training() -> None:
    found, advice = advised(TrainingLog((SLOW,)))
    assert found.kind == SymptomKind.SLOW
    assert advice.counsels[0].suspicion.cause == Cause.TIME
    assert value(advice.first.words, "--epochs") == "150"
    assert "not the answer" in advice.rate


def test_a_run_that_its_rate_holds_back_gets_the_rate_at_which_it_rose() -> None:
    found, advice = advised(turned_down(0.017))
    assert found.kind == SymptomKind.HELD_BACK
    assert not found.of_kind(SymptomKind.SLOW)
    assert advice.counsels[0].suspicion.cause == Cause.RATE_TOO_LOW
    assert value(advice.first.words, "--stage2-lr") == "0.002"  # option 1's share of 0.003
    why = next(c.why for c in advice.first.changes if c.name == "stage2_lr")
    assert "rose at 0.003 before" in why
    assert "higher learning rate" in advice.rate
    assert "not the answer" not in advice.rate
    assert [r.title.split(" of ")[0] for r in advice.ladder] == ["option 2", "option 3"]
    assert advice.checks[0].startswith("after 5 epochs")


def test_slower_still_gets_180() -> None:
    points = (replace(SLOW, iou=0.6480),)
    assert value(advised(TrainingLog(points))[1].first.words, "--epochs") == "180"


def test_a_plateau_gets_options_1_2_3_in_this_order() -> None:
    found, advice = advised(TrainingLog(BLOCKS["the situation"][0]))
    assert found.kind == SymptomKind.PLATEAU
    options = (advice.first, *advice.ladder)
    assert [value(o.words, "--stage2-lr") for o in options] == ["0.0002", "0.0003", "0.0003"]
    assert [value(o.words, "--min-lr") for o in options] == ["0.00001", "0.00002", "0.00002"]
    assert [value(o.words, "--epochs") for o in options] == ["120", "150", "150"]
    assert [value(o.words, "--img-size") for o in options] == ["384", "384", "416"]
    assert value(options[2].words, "--warmup-epochs") == "3"
    assert [(o.expected.low, o.expected.high) for o in options] == [
        (0.07, 0.12), (0.09, 0.14), (0.11, 0.18),
    ]  # fmt: skip
    assert all(o.expected.sentence.startswith("expected by the action plan") for o in options)


def branched(rise: float, peak: float, epochs: int = 60, size: int = 384) -> TrainingLog:
    """A plateau up to epoch 86, then a branch at ``peak`` that rises to ``rise`` and stays."""
    plain = to_plain(TrainSettings())
    plain["schedule"] |= {"stage2_lr": peak, "epochs": 300, "img_size": size}
    flat = [0.6221 + 0.001 * (-1) ** i for i in range(40)]
    up = [min(rise, 0.6221 + 0.004 * i) for i in range(1, epochs + 1)]
    points = past([*flat, *up], [0.2] * (40 + epochs), first=47, stage=2, img_size=size).points
    marked = tuple(replace(p, lr=5e-5, seconds=120.0, step=10 * p.epoch) for p in points[:40])
    marked += tuple(
        replace(p, lr=max(peak * (1 - i / 80), 1e-5), seconds=120.0, step=10 * p.epoch)
        for i, p in enumerate(points[40:])
    )
    stretches = (
        LogSegment(1, "start", settings=plain),
        LogSegment(87, "branch", "--stage2-lr", settings=plain, planned_end=300),
    )
    return TrainingLog(marked, stretches, checkpoint="runs/x/best_model.pth")


def test_option_1_that_got_to_068_is_followed_by_option_2() -> None:
    found, advice = advised(branched(0.68, 0.0002))
    assert found.kind == SymptomKind.PLATEAU
    assert advice.standing.option == 1
    assert value(advice.first.words, "--stage2-lr") == "0.0003"
    assert value(advice.first.words, "--min-lr") == "0.00002"
    assert "aggressive" in advice.first.title


def test_option_2_is_followed_by_option_3() -> None:
    _, advice = advised(branched(0.68, 0.0003))
    assert "resolution" in advice.first.title
    assert value(advice.first.words, "--img-size") == "416"


def test_flat_after_ten_epochs_is_followed_by_the_next_option() -> None:
    found, advice = advised(branched(0.6221, 0.0002, epochs=12))
    assert found.kind == SymptomKind.STILL_STUCK
    assert "aggressive" in advice.first.title


def test_behind_after_thirty_epochs_is_followed_by_option_3() -> None:
    what = branched(0.7, 0.0002, epochs=32)
    slow = tuple(
        replace(p, iou=0.6221 + 0.001 * (p.epoch - 86)) if p.epoch > 86 else p for p in what.points
    )
    found, advice = advised(replace(what, points=slow))
    assert found.kind == SymptomKind.BEHIND
    assert "resolution" in advice.first.title


def test_cost_is_that_of_past_epochs_by_pixels() -> None:
    _, advice = advised(branched(0.68, 0.0002))
    best = advice.standing.best_epoch
    assert advice.first.epochs == 64
    assert value(advice.first.words, "--epochs") == str(best + 64)
    assert advice.first.hours == pytest.approx(64 * 120 / 3600)
    larger = of(advice, Cause.RESOLUTION).remedy
    assert larger.hours == pytest.approx(64 * 120 / 3600 * (416 / 384) ** 2)


def test_only_what_differs_is_given() -> None:
    words = advised(branched(0.68, 0.0002))[1].first.words
    assert value(words, "--resume-from") == "runs/x/best_model.pth"
    assert "--backbone" not in words
    assert "--dataset-path" not in words
    assert "--img-size" not in words


def test_seconds_unknown_is_said() -> None:
    assert advised(TrainingLog((STUCK,)))[1].first.hours is None


def test_a_reached_target_is_scored() -> None:
    _, advice = advised(branched(0.74, 0.0002))
    assert advice.first.words[:3] == ("decamo", "evaluate", "runs/x/best_model.pth")
    assert "not the answer" in advice.rate


def test_a_checkpoint_that_is_named_is_used() -> None:
    what = branched(0.68, 0.0002)
    advice = advise(what, diagnose_log(what), checkpoint="/else/where.pth")
    assert value(advice.first.words, "--resume-from") == "/else/where.pth"


def test_a_low_constant_rate_is_called_too_low_and_a_high_one_not() -> None:
    plain = to_plain(TrainSettings())
    for rate, cause in ((0.00005, Cause.RATE_TOO_LOW), (0.001, Cause.SCHEDULE)):
        plain["schedule"] |= {"scheduler": "none", "stage2_lr": rate}
        what = past([0.62] * 50, [0.2] * 50, [rate] * 50, first=31, settings=plain, stage=2)
        _, advice = advised(what)
        assert advice.counsels[0].suspicion.cause == cause
        assert value(advice.first.words, "--scheduler") == "cosine"


CHOICES: dict[str, tuple[Any, ...]] = {
    "epochs": (20, 60, 120, 300),
    "stage1_epochs": (0, 2, 30, 100),
    "skip_stage1": (False, True),
    "lr": (0.00001, 0.00025, 0.003),
    "stage2_lr": (0.00001, 0.0002, 0.0003, 0.003, 0.05),
    "stage1_scheduler": ("onecycle", "cosine", "none"),
    "scheduler": ("cosine", "none", "onecycle", "cosine_restart"),
    "min_lr": (0.0, 0.00001, 0.0002),
    "warmup_epochs": (0, 1, 5),
    "schedule_origin": ("resume", "stage"),
    "stage3_epochs": (0, 10),
    "progressive_unfreeze": (False, True),
    "img_size": (32, 96, 320, 352, 384, 416, 1024),
    "batch_size": (1, 2, 8),
    "stage2_batch_size": (None, 1, 4),
    "accumulation_steps": (1, 4),
}


def any_settings(rng: np.random.Generator) -> TrainSettings:
    while True:
        plain = to_plain(TrainSettings())
        for name, values in CHOICES.items():
            plain["schedule"][name] = values[rng.integers(len(values))]
        plain["optimise"] |= {
            "deep_supervision": bool(rng.integers(2)),
            "use_ema": bool(rng.integers(2)),
        }
        plain["data"]["dataset_path"] = ["some where"] * int(rng.integers(1, 3))
        try:
            return from_plain(plain)
        except SettingsError:
            continue


def any_run(rng: np.random.Generator) -> tuple[TrainingLog, TrainSettings]:
    """A made-up curve under made-up settings, with what a journal tells."""
    settings = any_settings(rng)
    schedule = settings.schedule
    made = make_run(str(rng.choice(list(SORTS))), rng).past.points
    last = schedule.last_epoch
    points = tuple(
        replace(
            p,
            epoch=number,
            stage=1 + (number > schedule.frozen_epochs) + (number > schedule.epochs),
            lr=float(rng.choice([schedule.stage2_lr, schedule.stage2_lr / 10])),
            img_size=schedule.img_size,
            seconds=60.0,
            step=number * 5,
            usage=tuple(rng.dirichlet([0.2] * 7)),
            val_images=int(rng.integers(5, 400)),
            iou_sd=0.3,
        )
        for number, p in enumerate(made[:last], start=1)
    )
    word = str(rng.choice(["start", "branch", "continue"]))
    first = points[0].epoch if word == "start" else points[len(points) // 2].epoch
    stretches: tuple[LogSegment, ...] = (
        LogSegment(points[0].epoch, "start", settings=to_plain(settings)),
    )
    if word != "start":
        stretches += (LogSegment(first, word, "why", to_plain(settings), planned_end=last),)
    return TrainingLog(points, stretches, checkpoint="a b/best_model.pth"), settings


@pytest.mark.parametrize("many", [100, pytest.param(300, marks=pytest.mark.long)])
def test_made_up_runs_get_valid_commands(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    seen: set[Cause] = set()
    for seed in range(many):
        what, settings = any_run(np.random.default_rng(seed))
        found = diagnose_log(what, situation=None)
        advice = advise(what, found, latest="a b/last.pth" if seed % 2 else "")
        assert sum(c.suspicion.probability for c in advice.counsels) == pytest.approx(1)
        seen.add(advice.counsels[0].suspicion.cause)
        for counsel in advice.counsels:
            remedy, cause = counsel.remedy, counsel.suspicion.cause
            standing = advice.standing
            newest = remedy.words[3:4] == ("a b/last.pth",)
            start = standing.epoch if newest else standing.best_epoch
            went = obey(remedy, settings, start, monkeypatch)
            where = (seed, cause, remedy.command)
            if went is None or cause == Cause.CAPACITY:
                continue
            assert went.lineage.plan.last_epoch > start, where
            if cause in (Cause.RATE_TOO_LOW, Cause.FROZEN, Cause.RESOLUTION):
                wanted = float(value(remedy.words, "--stage2-lr"))
                assert went.kind == "branch", where
                plan = went.lineage.plan
                ahead = rates(plan, start + 1, plan.last_epoch)
                assert max(ahead) == pytest.approx(wanted, rel=0.02), where
                now = standing.rate if standing.rate and standing.stage == 2 else 0.0
                lifts = cause != Cause.RESOLUTION and "option 3" not in remedy.title and now < 0.006
                assert not lifts or max(ahead) > now, where
            if cause == Cause.RATE_TOO_HIGH and standing.hot and standing.stage != 1:
                plan = went.lineage.plan
                ahead = rates(plan, start + 1, plan.last_epoch)
                assert max(ahead) <= standing.hot * 0.7, where
                assert ahead[0] < max(ahead) or len(ahead) < 3, where
            if cause == Cause.SCHEDULE and standing.stage == 2:
                assert went.lineage.plan.stages[-1].curve.kind in ("cosine", "none"), where
        for remedy in advice.ladder:
            went = obey(remedy, settings, advice.standing.best_epoch, monkeypatch)
            assert went is not None, seed
            assert went.kind == "branch", (seed, remedy.command)
    assert len(seen) >= 6


def test_odd_pasts_get_commands_that_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(60):
        what = fuzzed(np.random.default_rng(seed))
        found = diagnose_log(what, target=(None, 0.72)[seed % 2], situation=None)
        advice = advise(what, found)
        assert sum(c.suspicion.probability for c in advice.counsels) == pytest.approx(1)
        for counsel in advice.counsels:
            settings = advice.standing.settings or TrainSettings()
            last = max(settings.schedule.last_epoch - 1, 1)
            obey(counsel.remedy, settings, min(advice.standing.epoch, last), monkeypatch)


def test_a_past_of_nothing_is_advised_too() -> None:
    _, advice = advised(TrainingLog(()))
    assert advice.counsels[0].suspicion.cause == Cause.TIME
    assert Path(value(advice.first.words, "--resume-from")).name == "last.pth"


def test_a_lone_point_without_anything() -> None:
    found, advice = advised(TrainingLog((Point(epoch=3),)), situation=None)
    assert found.kind == SymptomKind.TOO_EARLY
    assert "too little is known" in advice.rate
