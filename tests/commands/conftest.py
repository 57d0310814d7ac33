"""The run that got stuck: a real checkpoint that says it has 86 epochs behind it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from decamo.cli import main
from decamo.schedule import Lineage, Segment, SegmentKind
from decamo.settings import ScheduleSettings
from decamo.storage.sealed import load_sealed, save_sealed

Stuck = Callable[[Path], Path]

# What the person had: a constant rate since epoch 31. An epoch has few steps here, and a level few
# experts: no command looks at more.
STUCK_FLAGS = [
    "--backbone", "test_efficientnet", "--num-experts", "3", "--no-pretrained", "--device", "cpu",
    "--batch-size", "4", "--stage2-batch-size", "3", "--accumulation-steps", "1",
    "--img-size", "32", "--num-workers", "0", "--val-fraction", "0.2",
    "--scheduler", "none", "--stage2-lr", "0.00005",
]  # fmt: skip


@pytest.fixture(scope="session")
def trained(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of two epochs trained for real."""
    folder = tmp_path_factory.mktemp("trained")
    code = main(
        ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(folder), *STUCK_FLAGS,
         "--epochs", "2", "--stage1-epochs", "1"]
    )  # fmt: skip
    assert code == 0
    return folder / "last.pth"


@pytest.fixture
def stuck(trained: Path, tmp_path: Path) -> Path:
    """``best_model.pth`` with the weights of :func:`trained`, at epoch 86 of 120.

    Training 86 epochs would show nothing more: what a resume reads is the position and the lineage.
    """
    plain = load_sealed(trained)
    schedule = ScheduleSettings(
        **plain["settings"]["schedule"] | {"epochs": 120, "stage1_epochs": 30}
    )
    images = plain["ledger"][0]["images"]
    lineage = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, schedule, images),))
    plain["ledger"] = lineage.to_plain()
    plain["settings"]["schedule"] |= {"epochs": 120, "stage1_epochs": 30}
    plain["position"] = {"epoch": 86, "step": lineage.plan.epoch_start(87), "micro": 0}
    path = tmp_path / "checkpoints" / "best_model.pth"
    path.parent.mkdir()
    save_sealed(path, plain)
    return path
