import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from decamo.data.dataset import Batch
from decamo.data.pairs import Pair
from decamo.errors import StorageError
from decamo.history import (
    Baseline,
    EpochDone,
    Event,
    GroupsOpened,
    Interrupted,
    Saved,
    Scored,
    StageStarted,
    StepDone,
    Validating,
)
from decamo.storage.sealed import load_sealed
from decamo.training.runtime import open_runtime
from decamo.training.step import StepOutcome, Stepper
from decamo.training.trainer import Trainer
from tests.training.conftest import Make, assert_equal, build, ended, everything, ours


@pytest.fixture(scope="module")
def story(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, list[Event]]:
    """The run of 14 steps, never stopped, and what it told."""
    trainer = build(scenes, tmp_path_factory.mktemp("whole"), "whole")
    return trainer, list(trainer.run())


@pytest.fixture(scope="module")
def whole(story: tuple[Trainer, list[Event]]) -> dict[str, Any]:
    """All that this run is, before another draws from the generator of the process."""
    return everything(story[0])


def test_a_run_tells_its_story_in_order(
    story: tuple[Trainer, list[Event]], whole: dict[str, Any]
) -> None:
    trainer, events = story
    # 11 images: stage 1 has 6 micro-batches in 2 steps, stage 2 has 11 in 4
    assert [type(e).__name__ for e in events if isinstance(e, StageStarted | Interrupted)] == [
        "StageStarted",
        "StageStarted",
    ]
    assert isinstance(events[0], Saved)  # a checkpoint to go back to, before the first step
    assert isinstance(events[1], Validating)
    assert isinstance(events[2], Scored)
    assert isinstance(events[3], Baseline)
    assert events[3].iou == pytest.approx(fmean(events[2].ious.values()))
    steps = [e.record.step for e in events if isinstance(e, StepDone)]
    assert steps == list(range(2 + 3 * 4))
    epochs = [e.record for e in events if isinstance(e, EpochDone)]
    assert [(r.epoch, r.stage) for r in epochs] == [(1, 1), (2, 2), (3, 2), (4, 2)]
    assert epochs[1].lr["head"] == 0.002
    assert epochs[1].loss == pytest.approx(sum(epochs[1].parts.values()))
    opened = [e.learning for e in events if isinstance(e, GroupsOpened)]
    assert [len(o) for o in opened] == [1, 2, 3, 5]
    best = max(r.iou for r in epochs)
    assert trainer.state.best.iou == best
    assert {e.path.name for e in events if isinstance(e, Saved)} == {"best_model.pth", "last.pth"}


# Steps: 0-1 in stage 1, 2-13 in stage 2, whose levels open at 2, 6 and 10.
@pytest.mark.parametrize(
    "stops",
    [
        [2, 4, 1],
        *(pytest.param(n, marks=pytest.mark.long) for n in ([7, 1, 1], [1], [3], [6], [11])),
    ],
)
def test_stopped_anywhere_and_continued_the_run_ends_bit_equal(
    make: Make, whole: dict[str, Any], stops: list[int]
) -> None:
    resume_from: Path | None = None
    for stop in stops:
        part = make("parts", resume_from=resume_from, stop_after=stop)
        events = list(part.run())
        assert isinstance(events[-1], Interrupted)
        resume_from = part.folder.last
    torch.manual_seed(999)  # nothing may lean on the generator of the process
    rest = make("parts", resume_from=resume_from)
    list(rest.run())
    assert_equal(everything(rest), whole)


def with_dropout(trainer: Trainer) -> Trainer:
    """Draw from torch's generator in each forward pass of training."""
    ours(trainer.state.model).head.register_forward_pre_hook(
        lambda module, args: F.dropout(args[0], 0.2, module.training)
    )
    return trainer


def three_stages(epochs: int, stage1: int, stage3: int) -> dict[str, Any]:
    """Settings of a run of four steps an epoch, at one scale or twice that."""
    schedule = {"epochs": epochs, "stage1_epochs": stage1, "stage3_epochs": stage3,
                "stage3_img_size": 64, "stage2_batch_size": 1, "batch_size": 1}  # fmt: skip
    return {"schedule": schedule, "optimise": {"multi_scale": [1.0, 2.0]}}


THREE_STAGES = {16: three_stages(3, 1, 1), 40: three_stages(8, 2, 2)}  # by their steps
Whole = Callable[[int], dict[str, Any]]


@pytest.mark.parametrize(
    ("steps", "stop"), [(16, 7), *(pytest.param(40, n, marks=pytest.mark.long)
                                   for n in range(1, 40))]
)  # fmt: skip
def test_each_step_of_three_stages_is_a_good_place_to_stop(
    make: Make, steps: int, stop: int, never_stopped: Whole
) -> None:
    how = THREE_STAGES[steps]
    part = with_dropout(make("parts", stop_after=stop, **how))
    assert isinstance(list(part.run())[-1], Interrupted)
    assert part.state.position.step == stop
    torch.manual_seed(999)
    helped = {"num_workers": stop % 3}
    rest = with_dropout(make("parts", resume_from=part.folder.last, data=helped, **how))
    list(rest.run())
    assert rest.state.position.step == steps
    assert_equal(everything(rest), never_stopped(steps))


@dataclass
class Watched(Stepper):
    """Notes the scale of every step, and may leave it at that."""

    scales: list[float] = field(default_factory=list)
    learns: bool = True

    def step(
        self, batches: Sequence[Batch], images: int, pieces: int = 1, scale: float = 1.0
    ) -> StepOutcome:
        """As the stepper's."""
        self.scales.append(scale)
        if not self.learns:
            return StepOutcome({}, 0.0, skipped=False)
        return super().step(batches, images, pieces, scale)


def test_a_step_s_scale_is_drawn_from_seed_and_number(make: Make) -> None:
    def scales(name: str, seed: int, asked: list[float]) -> list[float]:
        trainer = make(
            name, schedule={"epochs": 2}, optimise={"multi_scale": asked}, run={"seed": seed}
        )
        seen: list[float] = []
        trainer.stepper = Watched(**vars(trainer.stepper), scales=seen, learns=False)
        list(trainer.run())
        return seen

    first = scales("a", 0, [1.0, 2.0])
    assert set(first) == {1.0, 2.0}
    assert scales("b", 0, [1.0, 2.0]) == first
    assert scales("c", 1, [1.0, 2.0]) != first
    assert set(scales("d", 0, [2.0])) == {2.0}


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory: pytest.TempPathFactory, scenes: Path) -> Whole:
    """The run of three stages and so many steps, never stopped."""

    @cache
    def run(steps: int) -> dict[str, Any]:
        place = tmp_path_factory.mktemp("stages")
        trainer = with_dropout(build(scenes, place, "whole", **THREE_STAGES[steps]))
        list(trainer.run())
        return everything(trainer)

    return run


@pytest.mark.parametrize("asked", [*(pytest.param(n, marks=pytest.mark.long) for n in (1, 2)), 5])
def test_a_stop_in_validation_leaves_the_epoch_open_and_loses_nothing(
    make: Make, two_epochs: Trainer, asked: int
) -> None:
    # asked: before training in the baseline, after the first step, and in the first epoch's end
    part = make("parts", stop_after=asked, stop_in_validation=True, schedule={"epochs": 2})
    part.validator.batch = 1
    events = list(part.run())
    assert isinstance(events[-1], Interrupted)
    rest = make("parts", resume_from=part.folder.last, schedule={"epochs": 2})
    list(rest.run())
    assert_equal(ended(rest), ended(two_epochs))


@pytest.mark.long
def test_the_last_epoch_may_be_stopped_between_training_and_validation(make: Make) -> None:
    whole = make("whole", schedule={"epochs": 1, "stage1_epochs": 0})
    list(whole.run())
    part = make("parts", schedule={"epochs": 1, "stage1_epochs": 0})

    def in_last_validation() -> str:
        return "enough" if part.state.position.step == 4 else ""

    part.validator.stop = part.stop = in_last_validation
    list(part.run())
    held = load_sealed(part.folder.last)["position"]
    assert (held["epoch"], held["step"]) == (0, 4)
    rest = make("parts", resume_from=part.folder.last, schedule={"epochs": 1, "stage1_epochs": 0})
    events = list(rest.run())
    assert not [e for e in events if isinstance(e, StepDone)]
    assert_equal(everything(rest), everything(whole))


@pytest.mark.parametrize("workers", [*(pytest.param(n, marks=pytest.mark.long) for n in (1, 2)), 4])
def test_the_number_of_workers_changes_nothing(
    make: Make, two_epochs: Trainer, workers: int
) -> None:
    helped = make("helped", schedule={"epochs": 2}, data={"num_workers": workers})
    list(helped.run())
    assert_equal(ended(helped), ended(two_epochs))


def test_a_frozen_backbone_stays_what_it_was(make: Make) -> None:
    trainer = make("run", schedule={"epochs": 2}, optimise={"weight_decay": 0.5})
    before = {k: v.clone() for k, v in trainer.state.model.state_dict().items()}
    events = trainer.run()
    next(e for e in events if isinstance(e, EpochDone))
    after = trainer.state.model.state_dict()
    moved = {k for k in before if not torch.equal(before[k], after[k])}
    assert moved
    assert not [k for k in moved if k.startswith("backbone.")]


def test_a_branch_takes_weights_and_moments_and_a_new_schedule(
    make: Make, two_epochs: Trainer
) -> None:
    first = two_epochs
    new = {"epochs": 4, "stage2_lr": 0.004, "scheduler": "onecycle", "img_size": 64}
    branch = make("run", resume_from=first.folder.last, schedule=new)
    assert branch.state.lineage.last.kind == "branch"
    assert_equal(branch.state.model.state_dict(), first.state.model.state_dict())
    assert_equal(everything(branch)["optimiser"], everything(first)["optimiser"])
    records = [e.record for e in branch.run() if isinstance(e, EpochDone)]
    assert [(r.epoch, r.img_size) for r in records] == [(3, 64), (4, 64)]
    assert [r.epoch for r in branch.state.history] == [1, 2, 3, 4]


def test_moments_are_forgotten_on_request(make: Make, two_epochs: Trainer) -> None:
    fresh = make(
        "run",
        resume_from=two_epochs.folder.last,
        schedule={"epochs": 3},
        optimise={"reset_moments": True},
    )
    assert everything(fresh)["optimiser"] == {}
    assert fresh.state.lineage.last.kind == "branch"


def test_an_average_begun_at_a_resume_starts_from_the_loaded_weights(make: Make) -> None:
    first = make("run", schedule={"epochs": 2}, optimise={"use_ema": False})
    list(first.run())
    later = make("run", resume_from=first.folder.last, schedule={"epochs": 3})
    assert later.state.ema is not None
    assert_equal(later.state.ema.model.state_dict(), first.state.model.state_dict())


def test_a_full_disk_leaves_the_last_good_checkpoint(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make("run")
    events = trainer.run()
    next(e for e in events if isinstance(e, Saved) and e.position.epoch == 1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"No space left on device; free space"):
        list(events)
    assert load_sealed(trainer.folder.last)["position"]["epoch"] == 1
    assert not list(trainer.folder.root.glob(".*.tmp"))


def test_stage_3_polishes_at_its_own_size_and_rate(make: Make) -> None:
    third = {"epochs": 2, "stage3_epochs": 1, "stage3_img_size": 64, "stage3_lr": 0.00002}
    trainer = make("run", schedule=third)
    records = [e.record for e in trainer.run() if isinstance(e, EpochDone)]
    assert [(r.stage, r.img_size) for r in records] == [(1, 32), (2, 32), (3, 64)]
    assert records[2].lr["head"] == 0.00002
    assert records[2].lr["backbone.0"] == pytest.approx(0.000002)


def test_half_precision_trains_and_keeps_float32_weights(make: Make, two_epochs: Trainer) -> None:
    trainer = make("run", runtime=open_runtime("cpu", "bf16"), schedule={"epochs": 2})
    records = [e.record for e in trainer.run() if isinstance(e, EpochDone)]
    for half, plain in zip(records, two_epochs.state.history, strict=True):
        assert half.loss == pytest.approx(plain.loss, rel=0.02)
        assert half.loss != plain.loss
    assert all(p.dtype == torch.float32 for p in trainer.state.model.parameters())


def stalled(trainer: Trainer, folder: Path, where: str) -> Path:
    """Let one of the images that train, or validate, lie on a disk that does not answer."""
    fifo = folder / "stalled.png"
    os.mkfifo(fifo)

    def with_fifo(pairs: Sequence[Pair], at: int) -> tuple[Pair, ...]:
        return (*pairs[:at], replace(pairs[at], image=fifo), *pairs[at + 1 :])

    if where == "training":
        trainer.training_batches = replace(
            trainer.training_batches, pairs=with_fifo(trainer.training_batches.pairs, 4)
        )
    else:
        trainer.validator.pairs = with_fifo(trainer.validator.pairs, 1)
    return fifo


@pytest.mark.parametrize(
    ("asked", "where", "workers"),
    [
        pytest.param(asked, where, workers, marks=[pytest.mark.long] * (case not in (1, 6)))
        for case, (asked, where, workers) in enumerate(
            product((True, False), ("training", "validation"), (0, 2))
        )
    ],
)
def test_data_that_does_not_come_ends_a_run_that_loses_nothing(
    make: Make, tmp_path: Path, where: str, asked: bool, workers: int, never_stopped: Whole
) -> None:
    stages = THREE_STAGES[16]
    how: dict[str, Any] = stages | {"data": {"num_workers": workers, "data_timeout": "1s"}}
    first = with_dropout(make("parts", stop_after=4, **how))
    list(first.run())
    part = with_dropout(make("parts", resume_from=first.folder.last, **how))
    fifo = stalled(part, tmp_path, where)
    if asked:
        part.waiting = part.validator.waiting = lambda: "on SIGTERM"
    *_, last = part.run()
    assert isinstance(last, Interrupted)
    assert part.stalled is None if asked else "stalled.png" in str(part.stalled)
    assert last.why == ("on SIGTERM" if asked else str(part.stalled))
    with os.fdopen(os.open(fifo, os.O_RDWR | os.O_NONBLOCK), "wb"):
        time.sleep(0.05)  # a thread that waits for it is let go
    rest = with_dropout(make("parts", resume_from=part.folder.last, **stages))
    list(rest.run())
    assert rest.state.position.step == 16
    assert_equal(everything(rest), never_stopped(16))
