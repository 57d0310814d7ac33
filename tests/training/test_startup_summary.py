from dataclasses import replace
from pathlib import Path

import pytest

from decamo.data.census import BadFile
from decamo.schedule import SegmentKind
from decamo.storage import RunFolder
from decamo.training.data_splits import find_splits
from decamo.training.prepare import Prepared, prepare
from decamo.training.run_summary import startup_summary
from decamo.training.runtime import open_runtime
from tests.training.conftest import tiny_settings


@pytest.fixture
def prepared(scenes: Path, tmp_path: Path) -> Prepared:
    settings = tiny_settings(scenes, tmp_path)
    splits = find_splits(settings.data, tmp_path / "census.json", lambda _done, _of: None)
    runtime = open_runtime("cpu", "fp32")
    return prepare(
        settings, RunFolder(tmp_path), runtime, splits, None, stop=lambda: "", clock=lambda: 0.0
    )


def test_images_network_and_plan_are_told(prepared: Prepared, tmp_path: Path) -> None:
    settings = prepared.trainer.settings
    told = list(startup_summary(settings, prepared, tmp_path / "journal.jsonl"))
    assert told[0].startswith("scenes: 15 pairs")
    assert told[1] == "masks of scenes: 0/255 in 14, a single value in 1 of 15 masks"
    assert told[2].startswith("11 images train, 3 are held out of them for validation")
    assert told[3].startswith("test_efficientnet with 3 experts a level: ")
    assert told[4].startswith("start: epoch 1 to 4, step 0 to ")


def test_what_room_batches_take_is_told_beside_dev_shm(prepared: Prepared, tmp_path: Path) -> None:
    settings = prepared.trainer.settings
    told = list(startup_summary(settings, prepared, tmp_path / "journal.jsonl"))
    assert "reading: a thread of this process reads" in told
    settings = replace(settings, data=replace(settings.data, num_workers=2))
    told = list(startup_summary(settings, prepared, tmp_path / "journal.jsonl"))
    (line,) = (line for line in told if line.startswith("reading: "))
    assert line.startswith("reading: 2 processes read: batches take 0 MB in ")
    assert "nothing in /dev/shm, which " in line


def test_the_winner_of_a_race_is_told_as_the_branch_that_it_is(
    prepared: Prepared, tmp_path: Path
) -> None:
    went = prepared.resumption
    last = replace(went.lineage.last, kind=SegmentKind.BRANCH, reason="escape: winner: advice")
    lineage = went.lineage.with_segment(last)
    winner = replace(
        went, kind=SegmentKind.CONTINUE, lineage=lineage, reason="no flag changes what lies ahead"
    )
    told = startup_summary(
        prepared.trainer.settings, replace(prepared, resumption=winner), tmp_path / "j"
    )
    (line,) = (line for line in told if ": epoch 1 to 4, step 0 to " in line)
    assert line.startswith("branch: ")
    assert line.endswith("(escape: winner: advice)")


def test_of_many_files_left_out_ten_are_named(prepared: Prepared, tmp_path: Path) -> None:
    bad = tuple(BadFile(f"{n}", Path(f"{n}.jpg"), "cut short") for n in range(12))
    many = replace(prepared, splits=replace(prepared.splits, bad=bad))
    told = list(startup_summary(prepared.trainer.settings, many, tmp_path / "journal.jsonl"))
    assert sum(line.startswith("left out: ") for line in told) == 11
    assert f"left out: 2 more; all are in {tmp_path / 'journal.jsonl'}" in told


def test_more_readers_than_cores_are_warned_of(prepared: Prepared, tmp_path: Path) -> None:
    settings = prepared.trainer.settings
    settings = replace(settings, data=replace(settings.data, num_workers=4096))
    told = list(startup_summary(settings, prepared, tmp_path / "journal.jsonl"))
    assert any(line.startswith("warning: --num-workers 4096 on ") for line in told)
