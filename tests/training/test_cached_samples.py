"""Where training images come from must not be seen in a run: same weights, whatever holds them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from decamo.data.cache import opening
from decamo.data.cache.opening import Pool, choose_cache
from decamo.data.cache.sample_sources import Fresh, Stored
from decamo.schedule import Position, SegmentKind
from decamo.settings import DataSettings
from decamo.training.data_splits import find_splits
from decamo.training.resumption import resumption_of
from decamo.training.trainer import Trainer
from decamo.training.training_batches import sources_of
from tests.training.conftest import Make, assert_equal, build, ended, everything, tiny_settings


def quiet(done: int, total: int) -> None: ...


def trained(trainer: Trainer) -> dict[str, Any]:
    for _ in trainer.run():
        pass
    return everything(trainer)


@pytest.fixture(scope="module")
def whole(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    trainer = build(scenes, tmp_path_factory.mktemp("cached"), "whole", data={"cache": "ram"})
    list(trainer.run())
    return trainer


@pytest.mark.parametrize("after", [pytest.param(2, marks=pytest.mark.long), 5])
def test_a_run_goes_on_bit_equal_when_another_cache_holds_its_images(
    make: Make, whole: Trainer, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(mode: str, **_: object) -> Any:
        return choose_cache(mode, **(_ | {"memory": 0, "disk": 0}))  # type: ignore[arg-type]

    disk = {"cache": "disk", "cache_dir": str(tmp_path / "kept")}
    first = make("first", data=disk, stop_after=after)
    assert all(isinstance(source, Stored) for source in first.training_batches.sources.values())
    trained(first)
    monkeypatch.setattr(opening, "choose_cache", full)
    last = tmp_path / "first" / "last.pth"
    again = make("first", data={"cache": "auto"}, resume_from=last)
    assert again.state.lineage.last.kind == "start", "the same segment: it continues"
    assert all(isinstance(source, Fresh) for source in again.training_batches.sources.values())
    assert_equal(trained(again), ended(whole))


def test_off_is_another_run(make: Make, whole: Trainer) -> None:
    assert make("off", data={"cache": "off"}).training_batches.sources == {}
    off = make("whole", data={"cache": "off"}, resume_from=whole.folder.best)
    assert off.state.lineage.last.kind == "branch"
    assert "--cache ram -> off" in off.state.lineage.last.reason


def test_only_sizes_that_lie_ahead_are_kept(scenes: Path, tmp_path: Path) -> None:
    polish = {"stage3_epochs": 2, "stage3_img_size": 64}
    settings = tiny_settings(scenes, tmp_path, schedule=polish, data={"cache": "ram"})
    splits = find_splits(settings.data, tmp_path / "census.json", quiet)
    resumption = resumption_of(settings, None, images=len(splits.train), world=1)
    said: list[str] = []

    def sizes(position: Position, data: DataSettings = settings.data) -> set[int]:
        at = replace(resumption, kind=SegmentKind.CONTINUE, position=position)
        return set(sources_of(data, at, splits.train, 1, Pool(), said.append, quiet))

    assert sizes(Position()) == {32, 64}
    assert len(said) == 2
    assert sizes(Position(epoch=4, step=20)) == {64}
    assert sizes(Position(), DataSettings(cache="off")) == set()
