"""Injected lack of memory: in forward, backward, optimizer, validation, in both stages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from decamo.data.dataset import Batch
from decamo.errors import MemoryExhausted
from decamo.history import EpochDone, MemoryRanOut, RolledBack, StepDone
from decamo.losses import Losses
from decamo.training.trainer import Trainer
from tests.training.conftest import Make, build, everything

# Few, small steps: Adam turns differences of rounding in tiny gradients into visible ones.
BATCHES = {"epochs": 2, "batch_size": 4, "stage2_batch_size": 4, "accumulation_steps": 2,
           "lr": 1e-5, "stage2_lr": 1e-5, "progressive_unfreeze": False}  # fmt: skip


def short() -> RuntimeError:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


def room_for(trainer: Trainer, images: int, *, in_backward: bool = False) -> None:
    """Let no more than so many images through the network at once."""
    criterion = trainer.stepper.criterion

    def tight(prediction: Any, mask: torch.Tensor, taught: torch.Tensor | None) -> Losses:
        losses = criterion(prediction, mask, taught)
        if len(mask) <= images:
            return losses
        if not in_backward:
            raise short()
        losses.total.register_hook(lambda _: _raise())
        return losses

    tight.weights = criterion.weights  # type: ignore[attr-defined]
    trainer.stepper.criterion = tight  # type: ignore[assignment]


def _raise() -> None:
    raise short()


def lost(events: Sequence[Any]) -> list[MemoryRanOut]:
    return [e for e in events if isinstance(e, MemoryRanOut)]


def assert_as_good_as(trainer: Trainer, whole: Trainer) -> None:
    a, b = everything(trainer), everything(whole)
    assert a["position"] == b["position"]
    for x, y in zip(a["history"], b["history"], strict=True):
        assert x["loss"] == pytest.approx(y["loss"], rel=1e-5)
        assert x["lr"] == y["lr"]
    for name, value in a["model"].items():
        torch.testing.assert_close(value, b["model"][name], rtol=1e-3, atol=3e-6)


@pytest.fixture(scope="module")
def whole(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    trainer = build(scenes, tmp_path_factory.mktemp("rescue"), "whole", schedule=BATCHES)
    list(trainer.run())
    return trainer


@pytest.mark.parametrize(
    ("images", "pieces", "in_backward"),
    [(2, 2, True), (1, 4, False),
     *(pytest.param(*one, marks=pytest.mark.long) for one in ((2, 2, False), (1, 4, True)))],
)  # fmt: skip
def test_a_micro_batch_that_does_not_fit_goes_in_pieces_and_the_result_is_the_same(
    make: Make, whole: Trainer, images: int, pieces: int, in_backward: bool
) -> None:
    trainer = make("run", schedule=BATCHES)
    room_for(trainer, images, in_backward=in_backward)
    events = list(trainer.run())
    assert {e.where for e in lost(events)} == {"training"}
    assert f"micro-batch of 4 in {pieces} pieces" in lost(events)[-1].decision
    assert trainer.state.lineage.last.micro_batch_splits == (pieces, pieces, 1)
    assert {s.kind for s in trainer.state.lineage.segments} == {"start", "split"}
    assert_as_good_as(trainer, whole)


def test_what_fits_in_stage_1_may_not_in_stage_2(make: Make, whole: Trainer) -> None:
    trainer = make("run", schedule=BATCHES)
    room_for(trainer, 2)
    tight, roomy = trainer.stepper.criterion, whole.stepper.criterion
    events = []
    trainer.stepper.criterion = roomy
    for event in trainer.run():
        events.append(event)
        if isinstance(event, EpochDone):
            trainer.stepper.criterion = tight
    assert trainer.state.lineage.last.micro_batch_splits == (1, 2, 1)
    assert_as_good_as(trainer, whole)


def test_generators_are_put_back_before_a_step_is_tried_again(make: Make) -> None:
    trainer = make("run", schedule=BATCHES)
    drawn: list[float] = []
    step = trainer.stepper._backward
    room = [1]

    def drawing(batch: Batch, weight: float, scale: float, sums: Any) -> None:
        drawn.append(float(torch.rand(())))
        if room:
            room.pop()
            raise short()
        step(batch, weight, scale, sums)

    trainer.stepper._backward = drawing  # type: ignore[method-assign]
    next(e for e in trainer.run() if isinstance(e, StepDone))
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("after", [0, 1])
def test_an_optimizer_cut_off_half_way_is_not_trusted(
    make: Make, whole: Trainer, after: int
) -> None:
    trainer = make("run", schedule=BATCHES)
    optimizer, calls = trainer.state.optimizer, []
    step = optimizer.step

    def cut_off(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            if after:  # the weights have moved, the average has not
                step(*args, **kwargs)
            raise short()
        return step(*args, **kwargs)

    optimizer.step = cut_off  # type: ignore[method-assign]
    events = list(trainer.run())
    (told,) = lost(events)
    assert told.where == "optimiser"
    (back,) = [e for e in events if isinstance(e, RolledBack)]
    assert back.position.step <= back.from_step
    assert trainer.state.lineage.last.scale == 1
    assert all(g["foreach"] is False for g in optimizer.param_groups)
    assert_as_good_as(trainer, whole)


def test_validation_that_does_not_fit_goes_on_in_smaller_batches(
    make: Make, whole: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make("run", schedule=BATCHES)
    predict = type(trainer.validator).run.__globals__["Predictor"].predict

    def tight(self: Any, images: Sequence[Any]) -> Any:
        if len(images) > 2:
            raise short()
        return predict(self, images)

    monkeypatch.setattr("decamo.inference.predictor.Predictor.predict", tight)
    events = list(trainer.run())
    assert {e.where for e in lost(events)} == {"validation"}
    assert_as_good_as(trainer, whole)


def test_where_not_even_one_image_fits_the_remedy_is_named(make: Make) -> None:
    trainer = make("run", schedule=BATCHES)
    room_for(trainer, 0)
    with pytest.raises(MemoryExhausted, match=r"not even one image of 32 px fits, in stage 1; .*"):
        list(trainer.run())


def test_a_split_run_goes_on_split(make: Make) -> None:
    first = make("run", schedule=BATCHES, stop_after=2)
    room_for(first, 2)
    list(first.run())
    again = make("run", schedule=BATCHES, resume_from=first.folder.last)
    assert again.state.lineage.last.micro_batch_splits == (2, 1, 1)
