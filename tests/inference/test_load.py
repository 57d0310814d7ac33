from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from decamo.errors import CheckpointMissing
from decamo.history import EpochRecord
from decamo.inference.load_model import load_model
from decamo.inference.predictor import Predictor
from decamo.nn import Segmenter
from decamo.schedule import Lineage, Position, Segment, SegmentKind
from decamo.settings import ScheduleSettings, TrainSettings
from decamo.storage.sealed import save_sealed
from decamo.training.optimizer_groups import build_optimizer
from decamo.training.state import Ema, GuardedScaler, TrainState
from tests.history.test_records import RECORD


def plain_run(
    model: Segmenter, *, average: Ema | None = None, history: Sequence[EpochRecord] = ()
) -> dict[str, Any]:
    """A run after 12 epochs, as training writes it."""
    settings = TrainSettings(schedule=ScheduleSettings(img_size=96))
    state = TrainState(
        model=model,
        optimizer=build_optimizer(model, 0.01),
        scaler=GuardedScaler(enabled=False),
        ema=average,
        lineage=Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, settings.schedule, 8),)),
        position=Position(12, 24),
        history=list(history),
    )
    return state.checkpoint(settings).to_plain()


def saved(folder: Path, run: dict[str, Any]) -> Path:
    save_sealed(folder / "best_model.pth", run)
    return folder / "best_model.pth"


def test_predictions_are_those_of_the_model_that_was_saved(
    tmp_path: Path, shared_model: Segmenter, images: list[npt.NDArray[np.uint8]]
) -> None:
    loaded = load_model(saved(tmp_path, plain_run(shared_model)))

    before = Predictor(shared_model, 64).predict(images)
    after = Predictor(loaded.model, 64).predict(images)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not loaded.model.training
    assert (loaded.weights, loaded.epoch) == ("raw", 12)


def test_the_average_is_shipped_where_there_is_one(tmp_path: Path, shared_model: Segmenter) -> None:
    average = Ema(shared_model, 0.99)
    with torch.no_grad():
        for parameter in average.model.parameters():
            parameter.add_(0.5)

    loaded = load_model(saved(tmp_path, plain_run(shared_model, average=average)))

    assert loaded.weights == "average"
    shipped, raw = loaded.model.state_dict(), dict(shared_model.named_parameters())
    assert all(torch.equal(shipped[k], v) for k, v in average.model.state_dict().items())
    assert not any(torch.equal(shipped[k], v) for k, v in raw.items())


@pytest.mark.parametrize(("history", "size"), [([], 96), ([384, 416], 416)])
def test_size_is_that_of_the_last_epoch_trained(
    tmp_path: Path, shared_model: Segmenter, history: list[int], size: int
) -> None:
    records = [replace(RECORD, img_size=trained) for trained in history]

    loaded = load_model(saved(tmp_path, plain_run(shared_model, history=records)))

    assert loaded.img_size == size


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing):
        load_model(tmp_path / "best_model.pth")
