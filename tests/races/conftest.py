"""One tiny checkpoint to race, trained once."""

from pathlib import Path

import pytest

from decamo.history import StepDone
from tests.training.conftest import build


@pytest.fixture(scope="session")
def stalled(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint after 2 of 6 epochs; its second stage goes on at a constant rate."""
    place = tmp_path_factory.mktemp("stalled")
    trainer = build(
        scenes,
        place,
        "run",
        schedule={
            "epochs": 6,
            "scheduler": "none",
            "stage2_lr": 0.0001,
            "progressive_unfreeze": False,
        },
        optimise={"use_ema": False, "deep_supervision": False},
        run={"keep_last": 5},
    )
    for event in trainer.run():
        if isinstance(event, StepDone) and event.record.epoch == 3:
            break
    return place / "run" / "epoch-0002.pth"
