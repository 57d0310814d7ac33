from pathlib import Path

from decamo.plan import Position
from decamo.storage import load_sealed
from tests.training.conftest import Make


def test_the_best_is_the_newest_and_each_has_the_one_before_it(make: Make) -> None:
    trainer = make("run")
    keeper, state = trainer.keeper, trainer.state
    ticks = iter(range(100))
    keeper.clock = lambda: float(next(ticks))
    first = list(keeper.save(state, best=True, epoch=1))
    assert [(e.path, e.seconds) for e in first] == [
        (keeper.folder.last, 1.0),
        (keeper.folder.best, 1.0),
    ]
    state.position = Position(epoch=1, step=2)
    assert [e.path for e in keeper.save(state)] == [keeper.folder.last]
    assert keeper.load_last()["position"]["step"] == 2
    assert load_sealed(keeper.folder.best)["position"]["step"] == 0
    assert load_sealed(keeper.folder.root / "last.previous.pth")["position"]["step"] == 0


def test_a_process_that_only_follows_writes_nothing(make: Make, tmp_path: Path) -> None:
    trainer = make("run")
    trainer.keeper.writes = False
    assert list(trainer.keeper.save(trainer.state)) == []
    assert not list(tmp_path.glob("run/*.pth"))
