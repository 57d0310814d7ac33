"""Injected faults: whatever becomes NaN or infinite, for 1, 5 or 200 steps."""

import copy
import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
import torch

from decamo.errors import TrainingDiverged
from decamo.history import EpochDone, RolledBack, StepDone
from decamo.losses import Losses
from decamo.storage.sealed import load_sealed
from decamo.training.stability import MOST_BAD_STEPS, MOST_ROLLBACKS
from decamo.training.trainer import Trainer
from tests.training.conftest import Make, assert_equal, everything, ours

LONG = {"epochs": 4, "stage1_epochs": 1, "accumulation_steps": 1}  # 6 + 3 x 11 = 39 steps
Inject = Callable[[Trainer, Callable[[], bool]], None]


def in_loss(trainer: Trainer, bad: Callable[[], bool]) -> None:
    criterion = trainer.stepper.criterion

    def poisoned(prediction: Any, mask: torch.Tensor, taught: torch.Tensor | None) -> Losses:
        losses = criterion(prediction, mask, taught)
        if bad():
            parts = {k: v * math.nan for k, v in losses.parts.items()}
            return Losses(losses.total * math.nan, parts)
        return losses

    poisoned.weights = criterion.weights  # type: ignore[attr-defined]
    trainer.stepper.criterion = poisoned  # type: ignore[assignment]


def in_gradient(trainer: Trainer, bad: Callable[[], bool]) -> None:
    weight = next(iter(ours(trainer.state.model).head.parameters()))
    weight.register_hook(lambda g: g * math.inf if bad() else g)


def in_input(trainer: Trainer, bad: Callable[[], bool]) -> None:
    model, normalize = trainer.state.model, trainer.state.model.normalize

    def poisoned(image: torch.Tensor) -> torch.Tensor:
        seen = normalize(image)
        return seen * math.nan if bad() and model.training else seen

    model.normalize = poisoned  # type: ignore[method-assign]


INJECTIONS = [in_loss, in_gradient, in_input]
ONE_FAST = [INJECTIONS[0], *(pytest.param(i, marks=pytest.mark.long) for i in INJECTIONS[1:])]


def finite(trainer: Trainer) -> bool:
    return not trainer.state.not_finite()


def faults(trainer: Trainer, first: int, count: int) -> Callable[[], bool]:
    """Bad in ``count`` attempted steps from step ``first`` on, whether or not they are repeated."""
    attempts: list[tuple[int, int]] = []

    def bad() -> bool:
        state = trainer.state
        now = (state.position.step, len(state.lineage.segments))
        if now[0] >= first or attempts:
            if now not in attempts:
                attempts.append(now)
            return attempts.index(now) < count
        return False

    return bad


def steps_of(events: Iterator[Any]) -> list[Any]:
    return [e.record for e in events if isinstance(e, StepDone)]


@pytest.mark.parametrize(
    ("inject", "count"),
    [(in_loss, 1), (in_input, 5),
     *(pytest.param(*one, marks=pytest.mark.long)
       for one in product(INJECTIONS, (1, 5)) if one not in ((in_loss, 1), (in_input, 5)))],
)  # fmt: skip
def test_a_few_bad_steps_are_left_out_and_nothing_else(
    make: Make, inject: Inject, count: int
) -> None:
    trainer = make("run", schedule={"epochs": 3})
    inject(trainer, faults(trainer, 3, count))
    seen: list[EpochDone | StepDone] = []
    for event in trainer.run():
        if isinstance(event, EpochDone | StepDone):
            seen.append(event)
        assert not isinstance(event, RolledBack)
    steps = [e.record for e in seen if isinstance(e, StepDone)]
    assert [s.step for s in steps if s.skipped] == list(range(3, 3 + count))
    assert finite(trainer)
    epochs = [e.record for e in seen if isinstance(e, EpochDone)]
    assert sum(r.skipped for r in epochs) == count
    assert all(math.isfinite(r.loss) for r in epochs)


@pytest.mark.parametrize("inject", INJECTIONS)
def test_a_bad_step_moves_neither_weights_nor_averages_nor_buffers(
    make: Make, inject: Inject
) -> None:
    trainer = make("run")
    inject(trainer, faults(trainer, 1, 1))
    before: dict[str, Any] = {}
    for event in trainer.run():
        if isinstance(event, StepDone) and event.record.step == 0:
            before = copy.deepcopy(everything(trainer))
        if isinstance(event, StepDone) and event.record.step == 1:
            after = everything(trainer)
            for part in ("model", "ema", "optimiser", "scaler"):
                assert_equal(after[part], before[part])
            return


@pytest.mark.parametrize("inject", ONE_FAST)
def test_twenty_bad_steps_send_the_run_back_with_half_the_rates(make: Make, inject: Inject) -> None:
    trainer = make("run", schedule=LONG)
    inject(trainer, faults(trainer, 7, MOST_BAD_STEPS))
    events = list(trainer.run())
    (back,) = [e for e in events if isinstance(e, RolledBack)]
    assert back.from_step == 26  # bad since step 7
    assert back.position.step <= 26
    assert trainer.state.position.step == 39
    assert trainer.state.lineage.last.kind == "rollback"
    assert trainer.state.lineage.last.scale == 0.5
    asked = trainer.settings.schedule.stage2_lr
    assert steps_of(iter(events))[-1].lr["head"] <= asked / 2
    assert back.samples
    assert list(trainer.folder.suspects.rglob("*-mask.png"))
    assert finite(trainer)


@pytest.mark.parametrize("inject", ONE_FAST)
def test_what_stays_bad_ends_the_run_and_the_last_healthy_checkpoint_stays(
    make: Make, inject: Inject
) -> None:
    trainer = make("run", schedule=LONG | {"epochs": 9})
    inject(trainer, faults(trainer, 3, 200))
    with pytest.raises(TrainingDiverged, match=r"no finite loss and gradient in 20 steps") as end:
        list(trainer.run())
    assert [s.kind for s in trainer.state.lineage.segments] == ["start", *["rollback"] * 3]
    assert MOST_ROLLBACKS == 3
    assert "images in question: " in str(end.value)
    assert str(trainer.folder.last) in str(end.value)
    assert finite(trainer)
    held = load_sealed(trainer.folder.last)
    assert all(t.isfinite().all() for t in held["model"].values() if t.is_floating_point())


def test_stop_means_stop(make: Make) -> None:
    trainer = make("run", schedule=LONG, run={"on_divergence": "stop"})
    in_loss(trainer, faults(trainer, 3, 200))
    with pytest.raises(TrainingDiverged, match="up to step 22; images in question"):
        list(trainer.run())
    assert [s.kind for s in trainer.state.lineage.segments] == ["start"]


def _spoil_buffer(trainer: Trainer) -> None:
    norms = [m for m in trainer.state.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms[0].running_var is not None
    norms[0].running_var.fill_(math.nan)


def _spoil_average(trainer: Trainer) -> None:
    assert trainer.state.ema is not None
    with torch.no_grad():
        next(trainer.state.ema.model.parameters()).view(-1)[0] = math.inf


def _spoil_moments(trainer: Trainer) -> None:
    first = next(iter(trainer.state.optimizer.state.values()))
    first["exp_avg"].view(-1)[0] = math.nan


@pytest.mark.parametrize(
    "spoil",
    [
        _spoil_moments,
        pytest.param(_spoil_buffer, marks=pytest.mark.long),
        pytest.param(_spoil_average, marks=pytest.mark.long),
    ],
)
def test_a_spoilt_state_is_never_saved_and_the_run_recovers(
    make: Make, spoil: Callable[[Trainer], None]
) -> None:
    trainer = make("run", schedule=LONG)
    spoilt = False
    backs = []
    for event in trainer.run():
        if isinstance(event, StepDone) and event.record.step == 7 and not spoilt:
            spoilt = True
            spoil(trainer)
        if isinstance(event, RolledBack):
            backs.append(event)
    assert len(backs) == 1
    assert trainer.state.position.step == 39
    assert finite(trainer)
    for path in trainer.folder.root.glob("*.pth"):
        held = load_sealed(path)
        for weights in (held["model"], held["ema"]["weights"]):
            assert all(t.isfinite().all() for t in weights.values() if t.is_floating_point())
