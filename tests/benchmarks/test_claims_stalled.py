from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.claims_stalled import held_stall, stall
from decamo.history import EpochDone, EpochRecord, Event
from decamo.settings import TrainSettings
from decamo.training.data_splits import find_splits
from decamo.training.runtime import open_runtime
from tests.training.conftest import tiny_settings


def settings(scenes: Path, folder: Path) -> TrainSettings:
    return tiny_settings(
        scenes, folder,
        schedule={"epochs": 1, "stage1_epochs": 0, "skip_stage1": True, "scheduler": "none",
                  "stage3_epochs": 1, "progressive_unfreeze": False, "stage2_batch_size": 4,
                  "accumulation_steps": 1},
        optimise={"use_ema": False, "deep_supervision": False},
    )  # fmt: skip


def train(chosen: TrainSettings, stop: Callable[[], str]) -> tuple[str, list[EpochRecord]]:
    records: list[EpochRecord] = []

    def on_event(event: Event) -> None:
        if isinstance(event, EpochDone):
            records.append(event.record)

    splits = find_splits(
        chosen.data, chosen.run.checkpoint_dir.parent / "census.json", lambda _done, _of: None
    )
    runtime = open_runtime("cpu", "fp32")
    why = stall(chosen, splits, runtime, stop=stop, clock=lambda: 0.0, on_event=on_event)
    return why, records


@pytest.mark.long
def test_it_ends_at_a_low_constant_rate_and_bit_exact_where_it_was_stopped(
    scenes: Path, tmp_path: Path
) -> None:
    whole = settings(scenes, tmp_path / "whole")
    why, records = train(whole, lambda: "")
    assert why == ""
    assert [r.lr["head"] for r in records] == [0.002, 0.00001]
    found = held_stall(whole)
    assert found is not None
    assert found.checkpoint.lineage.plan.last_epoch == 2

    parts = settings(scenes, tmp_path / "parts")
    asked: list[bool] = []

    def twice() -> str:
        asked.append(True)
        return "enough" if len(asked) > 1 else ""

    assert train(parts, twice)[0] == "enough"
    assert held_stall(parts) is None
    assert train(parts, lambda: "")[0] == ""
    again = held_stall(parts)
    assert again is not None
    for name, weights in found.checkpoint.weights.items():
        assert weights.equal(again.checkpoint.weights[name])


def test_a_folder_without_a_run_holds_none(scenes: Path, tmp_path: Path) -> None:
    assert held_stall(settings(scenes, tmp_path / "none")) is None
