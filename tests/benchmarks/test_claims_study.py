import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.claims_elsewhere import study_elsewhere
from benchmarks.claims_study import Study, training_clock
from decamo.errors import SettingsError, StorageError
from decamo.history import EpochDone, Event
from decamo.races import CONTROL, Branch
from decamo.storage.owner_file import Holder, holder_in, newest_number, owner_path
from decamo.training.data_splits import find_splits
from decamo.training.runtime import Runtime, open_runtime
from tests.cluster.pickled import far_away
from tests.training.conftest import tiny_settings

BRANCHES = (
    Branch(CONTROL, "nothing?"),
    Branch("high", "higher?", {"schedule": {"scheduler": "cosine", "stage2_lr": 0.01}}),
)
Told = list[tuple[int, str, int]]

ELSEWHERE = Runtime(torch.device("cuda", 0), torch.float16)


def no_time(device: torch.device) -> Callable[[], float]:
    assert device.type == "cpu"
    return lambda: 0.0


def study(scenes: Path, root: Path, told: Told, stop: Callable[[], str] = lambda: "") -> Study:
    settings = tiny_settings(
        scenes, root,
        schedule={"epochs": 1, "stage1_epochs": 0, "skip_stage1": True, "stage3_epochs": 1,
                  "progressive_unfreeze": False, "stage2_batch_size": 4, "accumulation_steps": 1},
        optimise={"use_ema": False, "deep_supervision": False},
    )  # fmt: skip

    def on_event(seed: int, branch: str, event: Event) -> None:
        if isinstance(event, EpochDone):
            told.append((seed, branch, event.record.epoch))

    root.mkdir(exist_ok=True)
    splits = find_splits(settings.data, root / "census.json", lambda _done, _of: None)
    return Study(
        root=root, settings=settings, branches=BRANCHES, seeds=2, epochs=1, splits=splits,
        runtime=open_runtime("cpu", "fp32"), stop=stop, on_event=on_event, clock_on=no_time,
    )  # fmt: skip


@pytest.fixture(scope="module")
def here(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Told]:
    """A study that was stopped once and then went on to its end."""
    root = tmp_path_factory.mktemp("here") / "study"
    told: Told = []
    asked = study(scenes, root, told, stop=lambda: "enough" if told[2:] else "")
    assert asked.run() == "enough"
    assert told == [(0, "", 1), (0, "", 2), (0, CONTROL, 3)]
    assert [t.seed for t in asked.found()] == [0]
    same = study(scenes, root, told)
    assert same.run() == ""
    return same, told


@pytest.mark.long
def test_all_seeds_and_branches_are_trained_once_and_stop_where_they_are_told(
    here: tuple[Study, Told],
) -> None:
    same, told = here
    assert told[3:] == [(0, "high", 3), (1, "", 1), (1, "", 2), (1, CONTROL, 3), (1, "high", 3)]
    assert same.run() == ""
    assert len(told) == 8
    found = same.found()
    for trained in found:
        control, high = trained.results[CONTROL], trained.results["high"]
        assert control.rungs[0].ious == high.rungs[0].ious  # of one checkpoint
        assert control.rungs[1].rate == pytest.approx(0.00001)
        assert len(trained.history) == 2
    # The seed is one of the stalled run, and so of all after it.
    assert found[0].history[0].loss != found[1].history[0].loss
    assert list((same.root / "seed-0" / "trials" / "high").iterdir()) == []
    other = replace(same, settings=replace(same.settings, model=replace(
        same.settings.model, num_experts=4)))  # fmt: skip
    with pytest.raises(SettingsError, match="differs in settings;"):
        other.run()


@pytest.mark.long
def test_elsewhere_the_same_is_trained_and_what_is_done_is_not_trained_again(
    here: tuple[Study, Told], scenes: Path, tmp_path: Path
) -> None:
    """All stalled runs first, which the branches set out from; device and clock are the tasks'."""
    told: Told = []
    there = study(scenes, tmp_path / "there", told, stop=lambda: "enough" if told[4:] else "")
    there = replace(there, runtime=ELSEWHERE)  # of the process that hands them out
    assert study_elsewhere(there, far_away) == "enough"
    assert told == [(0, "", 1), (0, "", 2), (1, "", 1), (1, "", 2), (0, CONTROL, 3)]
    same = study(scenes, tmp_path / "there", told)
    assert study_elsewhere(same, far_away) == ""
    assert told[5:] == [(0, "high", 3), (1, CONTROL, 3), (1, "high", 3)]
    assert same.run() == ""
    assert len(told) == 8
    assert [trained.results for trained in same.found()] == [
        trained.results for trained in here[0].found()
    ]


@pytest.mark.long
def test_a_twin_that_waited_trains_nothing_again_and_removes_what_is_its_own(
    here: tuple[Study, Told], scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process comes to its end while this one waits for the folder."""
    root = tmp_path / "study"
    shutil.copytree(here[0].root, root)
    result, folder = root / "seed-1" / "trials" / "high.json", root / "seed-1" / "trials" / "high"
    found = result.read_bytes()
    result.unlink()
    folder.mkdir(exist_ok=True)
    (folder / "left").mkdir()
    owner = owner_path(folder, 1)
    owner.write_bytes(replace(Holder.this(), process=os.getppid(), started="").to_bytes())

    def stop() -> str:
        if owner.exists():
            result.write_bytes(found)
            owner.unlink()
        return ""

    owners: list[Holder | None] = []

    def remove(path: Path, **_: object) -> None:
        owners.append(holder_in(owner_path(folder, newest_number(folder))))
        path.rmdir()

    monkeypatch.setattr("benchmarks.claims_study.shutil.rmtree", remove)
    told: Told = []
    assert study(scenes, root, told, stop=stop).trial(1, BRANCHES[1]) == ""
    assert told == []
    assert result.read_bytes() == found
    assert [None if one is None else one.process for one in owners] == [os.getpid()]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("trains", [True, False])
@pytest.mark.parametrize(
    ("changes", "words"),
    [({"epochs": 2}, "differs in trial epochs;"), ({"branches": BRANCHES[:1]}, "in branches;")],
)
def test_another_study_is_refused_in_the_same_folder(
    trains: bool, changes: dict[str, Any], words: str, scenes: Path, tmp_path: Path
) -> None:
    one = study(scenes, tmp_path / "study", [])
    one.open()
    one.open(trains=trains)
    with pytest.raises(SettingsError, match=words):
        replace(one, **changes).open(trains=trains)


def test_who_trains_nothing_leaves_the_folder_to_any_study(scenes: Path, tmp_path: Path) -> None:
    one = study(scenes, tmp_path / "study", [])
    one.open(trains=False)
    replace(one, epochs=2).open()
    with pytest.raises(SettingsError, match="trial epochs"):
        one.open(trains=False)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_study_that_cannot_be_read_is_not_written_over(
    text: str, scenes: Path, tmp_path: Path
) -> None:
    one = study(scenes, tmp_path / "study", [])
    held = tmp_path / "study" / "study.json"
    held.write_text(text)
    with pytest.raises(StorageError, match=r"study\.json: it holds no"):
        one.open()
    assert held.read_text() == text
    held.unlink()
    held.mkdir()
    with pytest.raises(StorageError, match="name another --work"):
        one.open()


def test_the_device_is_that_of_the_runs_and_no_other_goes_on_with_them(
    scenes: Path, tmp_path: Path
) -> None:
    one = study(scenes, tmp_path / "study", [])
    other = replace(one, runtime=ELSEWHERE)
    assert other.device == "cuda"
    one.open()
    with pytest.raises(SettingsError, match="differs in device;"):
        other.open()
    other.open(trains=False)
    assert other.device == "cpu"


def test_another_program_beside_training_counts_on_no_processor() -> None:
    assert training_clock(torch.device("cpu")) is time.process_time
    assert training_clock(torch.device("cuda")) is time.monotonic
