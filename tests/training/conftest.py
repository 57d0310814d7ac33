"""A tiny run, made ready the way the command does it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain, merged
from decamo.storage import RunFolder, load_sealed
from decamo.training import Runtime, Trainer, find_supply, open_runtime, prepare

Make = Callable[..., Trainer]

TINY: dict[str, dict[str, Any]] = {
    "data": {"num_workers": 0, "val_fraction": 0.2},
    "model": {"backbone": "mobilenetv2_035", "num_experts": 3, "pretrained": False},
    "schedule": {
        "epochs": 4,
        "stage1_epochs": 1,
        "batch_size": 2,
        "stage2_batch_size": 1,
        "accumulation_steps": 3,
        "img_size": 32,
        "lr": 0.003,
        "stage2_lr": 0.002,
        "progressive_unfreeze": True,
    },
    "optimise": {"use_ema": True, "deep_supervision": True},
    "run": {"device": "cpu"},
}


def tiny_settings(scenes: Path, folder: Path, **changes: dict[str, Any]) -> TrainSettings:
    """Settings of a tiny run; ``changes`` are sections with other values."""
    places: dict[str, dict[str, Any]] = {
        "data": {"dataset_path": [str(scenes)]},
        "run": {"checkpoint_dir": str(folder)},
    }
    return from_plain(merged(TINY, places, changes))


@pytest.fixture
def make(scenes: Path, tmp_path: Path) -> Make:
    """``make(name, resume_from=None, stop_after=None, runtime=None, **sections)`` -> Trainer."""

    def build(
        name: str,
        *,
        resume_from: Path | None = None,
        stop_after: int | None = None,
        runtime: Runtime | None = None,
        **changes: dict[str, Any],
    ) -> Trainer:
        settings = tiny_settings(scenes, tmp_path / name, **changes)
        folder = RunFolder(settings.run.checkpoint_dir)
        folder.root.mkdir(exist_ok=True)
        images = find_supply(settings.data, folder.census, lambda _done, _of: None)
        checkpoint = load_sealed(resume_from) if resume_from else None
        asked: list[bool] = []

        def stop() -> bool:
            asked.append(True)
            return stop_after is not None and len(asked) >= stop_after

        return prepare(
            settings,
            folder,
            runtime or open_runtime("cpu", "fp32"),
            images,
            checkpoint,
            stop=stop,
            clock=lambda: 0.0,
        ).trainer

    return build
