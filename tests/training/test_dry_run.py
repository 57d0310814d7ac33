from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
import torch

from decamo.errors import MemoryExhausted, StorageError
from decamo.losses import Losses
from decamo.training.dry_run import rehearse
from decamo.training.trainer import Trainer
from tests.training.conftest import Make
from tests.training.test_trainer import Watched

PLAN = {"epochs": 6, "stage1_epochs": 2, "stage3_epochs": 1, "stage3_img_size": 64,
        "stage2_batch_size": 2, "progressive_unfreeze": True}  # fmt: skip


def tight(trainer: Trainer, room: int) -> None:
    """Let no more than ``room`` pixels through the network at once."""
    criterion = trainer.stepper.criterion

    def short(prediction: Any, mask: torch.Tensor, taught: torch.Tensor | None) -> Losses:
        if mask.numel() > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return criterion(prediction, mask, taught)

    short.weights = criterion.weights  # type: ignore[attr-defined]
    trainer.stepper.criterion = short  # type: ignore[assignment]


def test_every_stage_ahead_is_rehearsed_with_all_that_learns_in_it(make: Make) -> None:
    trainer = make("run", schedule=PLAN)
    learned: list[frozenset[str]] = []
    choose = trainer.state.model.set_learning

    def remember(groups: Collection[str]) -> None:
        learned.append(frozenset(groups))
        choose(groups)

    trainer.state.model.set_learning = remember  # type: ignore[method-assign]
    before = {k: v.clone() for k, v in trainer.state.model.state_dict().items()}
    flight = rehearse(trainer)
    assert [(s.stage, s.epochs, s.steps, s.micro_batch_splits) for s in flight.stages] == [
        *((1, 2, 2, 1), (2, 4, 2, 1), (3, 1, 2, 1))
    ]
    assert [len(groups) for groups in learned] == [5, 5, 1]  # the last stage first
    assert all(s.step_seconds > 0 and s.memory_bytes > 2**20 for s in flight.stages)
    assert flight.seconds > 0
    assert flight.file_bytes > 2**20
    after = trainer.state.model.state_dict()
    weights = [k for k in before if not k.endswith("usage")]
    assert all(torch.equal(before[k], after[k]) for k in weights)
    assert not list(trainer.folder.root.rglob("*.pth"))


def test_the_largest_scale_is_rehearsed_first(make: Make) -> None:
    trainer = make("run", schedule=PLAN, optimise={"multi_scale": [1.0, 2.0]})
    scales: list[float] = []
    trainer.stepper = Watched(**vars(trainer.stepper), scales=scales)
    rehearse(trainer)
    assert scales == [2.0, *[2.0, 1.0] * 3] * 3


@pytest.mark.long
def test_what_is_done_is_not_counted(make: Make) -> None:
    first = make("run", schedule=PLAN, stop_after=5)
    list(first.run())
    flight = rehearse(make("run", schedule=PLAN, resume_from=first.folder.last))
    assert [(s.stage, s.epochs) for s in flight.stages] == [(2, 4), (3, 1)]


def test_pieces_are_found_before_the_run_needs_them(make: Make) -> None:
    trainer = make("run", schedule=PLAN)
    tight(trainer, room=64 * 64)
    assert [s.micro_batch_splits for s in rehearse(trainer).stages] == [1, 1, 2]
    other = make("other", schedule=PLAN)
    tight(other, room=64 * 64 - 1)
    with pytest.raises(MemoryExhausted, match=r"stage 3: not even one image of 64 px fits"):
        rehearse(other)


def test_a_disk_that_gives_back_something_else_is_found(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make("run", schedule=PLAN)
    state = trainer.state.checkpoint(trainer.settings)
    name = next(iter(state.weights))
    other = replace(state, weights={**state.weights, name: state.weights[name] + 1})
    monkeypatch.setattr("decamo.training.dry_run.load_checkpoint", lambda _: other)
    with pytest.raises(StorageError, match="what was read is not what was written"):
        rehearse(trainer)


def test_too_little_room_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("U", (), {"total": 9, "free": 8})())
    with pytest.raises(StorageError, match="are needed and 8 bytes are free"):
        rehearse(make("run", schedule=PLAN))
