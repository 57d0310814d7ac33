from pathlib import Path

import pytest

from decamo.checkpoint import Best
from decamo.history import Saved
from decamo.schedule import Position
from decamo.storage.sealed import load_sealed, save_sealed
from decamo.training.checkpoint_manager import keep_former_best
from decamo.training.trainer import Trainer
from tests.training.conftest import Make


def test_the_best_is_the_newest_and_each_has_the_one_before_it(make: Make) -> None:
    trainer = make("run")
    manager, state = trainer.manager, trainer.state
    ticks = iter(range(100))
    manager.clock = lambda: float(next(ticks))
    first = list(manager.save(state, best=True, epoch=1))
    assert [(e.path, e.seconds) for e in first] == [
        (manager.folder.last, 1.0),
        (manager.folder.best, 1.0),
    ]
    state.position = Position(epoch=1, step=2)
    assert [e.path for e in manager.save(state)] == [manager.folder.last]
    assert manager.load_last().checkpoint.position.step == 2
    assert load_sealed(manager.folder.best)["position"]["step"] == 0
    assert load_sealed(manager.folder.root / "last.previous.pth")["position"]["step"] == 0


def test_a_process_that_only_follows_writes_nothing(make: Make, tmp_path: Path) -> None:
    trainer = make("run")
    trainer.manager.writes = False
    assert list(trainer.manager.save(trainer.state)) == []
    assert not list(tmp_path.glob("run/*.pth"))


@pytest.mark.long
def test_epochs_are_kept_beyond_the_newest_as_asked(make: Make) -> None:
    trainer = make("run", run={"keep_last": 1, "keep_every": 2})
    list(trainer.run())
    kept = sorted(p.name for p in trainer.folder.root.glob("epoch-*.pth"))
    assert kept == ["epoch-0002.pth", "epoch-0004.pth"]
    assert load_sealed(trainer.folder.root / kept[0])["position"]["epoch"] == 2


def test_where_the_newest_is_damaged_the_one_before_it_is_taken(make: Make) -> None:
    trainer = make("run")
    manager, state = trainer.manager, trainer.state
    list(manager.save(state))
    state.position = Position(epoch=1, step=2)
    list(manager.save(state))
    manager.folder.last.write_bytes(manager.folder.last.read_bytes()[:-1000])
    found = manager.load_last()
    assert found.checkpoint.position.step == 0
    assert "last.previous.pth is taken instead" in found.notes[0]


def test_a_best_that_a_kill_kept_from_being_named_is_named_at_the_next_start(make: Make) -> None:
    plan = {"epochs": 3}
    killed = make("run", schedule=plan)
    for event in killed.run():
        if isinstance(event, Saved) and event.position.epoch == killed.state.best.epoch == 1:
            break  # between the newest checkpoint and the best one
    assert not killed.folder.best.exists()
    again = make("run", schedule=plan, resume_from=killed.folder.last)
    first = next(iter(again.run()))
    assert isinstance(first, Saved)
    assert first.path == again.folder.best
    assert load_sealed(again.folder.best)["position"]["epoch"] == 1
    third = make("run", schedule=plan, resume_from=killed.folder.last)
    assert not isinstance(next(iter(third.run())), Saved)


def test_a_best_of_other_images_is_kept_under_its_epoch(make: Make) -> None:
    first = make("run", schedule={"epochs": 3})
    list(first.run())
    before, score = first.folder.best.read_bytes(), first.state.best
    held = load_sealed(first.folder.last)
    held["images"]["mask"] = ["0" * 24 for _ in held["images"]["mask"]]
    held["best"]["images"] = "other images"
    save_sealed(first.folder.last, held)
    again = make("run", schedule={"epochs": 4}, resume_from=first.folder.last)
    state = again.state
    assert state.best == Best(images=state.best.images)
    assert state.best_before == Best(score.iou, score.epoch, "other images")
    kept = keep_former_best(again.folder, state)
    assert kept == again.folder.root / f"best_model.epoch-{score.epoch:04d}.pth"
    list(again.run())
    assert kept.read_bytes() == before
    assert load_sealed(again.folder.best)["position"]["epoch"] == 4


def test_a_best_of_the_same_images_needs_no_copy(make: Make, two_epochs: Trainer) -> None:
    again = make("run", schedule={"epochs": 3}, resume_from=two_epochs.folder.last)
    assert again.state.best == two_epochs.state.best
    assert keep_former_best(again.folder, again.state) is None
