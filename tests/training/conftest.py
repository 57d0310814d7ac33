"""A tiny run, made ready the way the command does it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from decamo.checkpoint.load_save import load_checkpoint
from decamo.nn import SegmentationNetwork, Segmenter
from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain, merged
from decamo.storage import RunFolder
from decamo.storage.sealed import load_sealed
from decamo.training.data_splits import find_splits
from decamo.training.prepare import Parts, prepare
from decamo.training.runtime import Runtime, open_runtime
from decamo.training.trainer import Trainer

Make = Callable[..., Trainer]


def ours(network: SegmentationNetwork) -> Segmenter:
    """The network as our own, which it is where no other was asked for."""
    assert isinstance(network, Segmenter)
    return network


TINY: dict[str, dict[str, Any]] = {
    "data": {"num_workers": 0, "val_fraction": 0.2},
    "model": {"backbone": "test_efficientnet", "num_experts": 3, "pretrained": False},
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


def build(
    scenes: Path,
    place: Path,
    name: str,
    *,
    resume_from: Path | None = None,
    stop_after: int | None = None,
    stop_in_validation: bool = False,
    runtime: Runtime | None = None,
    parts: Parts | None = None,
    **changes: dict[str, Any],
) -> Trainer:
    """A trainer of a tiny run in the folder ``name``.

    Args:
        scenes: its data set.
        place: where run folders go.
        name: of its run folder.
        resume_from: a checkpoint to go on from.
        stop_after: the question, from 1, that is first answered with a reason to stop.
        stop_in_validation: whether validation asks too; otherwise only steps do.
        runtime: other than a CPU in float32.
        parts: other than the usual ones.
        changes: sections of the settings with other values.
    """
    if resume_from is not None:
        changes = merged(changes, {"run": {"resume_from": str(resume_from)}})
    settings = tiny_settings(scenes, place / name, **changes)
    folder = RunFolder(settings.run.checkpoint_dir)
    folder.root.mkdir(exist_ok=True)
    checkpoint = load_checkpoint(resume_from) if resume_from else None
    images = find_splits(
        settings.data, folder.census, lambda _done, _of: None, checkpoint=checkpoint
    )
    asked: list[bool] = []

    def stop() -> str:
        asked.append(True)
        return "enough" if stop_after is not None and len(asked) >= stop_after else ""

    trainer = prepare(
        settings,
        folder,
        runtime or open_runtime("cpu", "fp32"),
        images,
        checkpoint,
        stop=stop,
        clock=lambda: 0.0,
        parts=parts or Parts(),
    ).trainer
    if not stop_in_validation:
        trainer.validator.stop = lambda: ""
    return trainer


@pytest.fixture
def make(scenes: Path, tmp_path: Path) -> Make:
    """``make(name, ...)``: :func:`build` on this test's data and folder."""

    def here(name: str, **how: Any) -> Trainer:
        return build(scenes, tmp_path, name, **how)

    return here


@pytest.fixture(scope="session")
def two_epochs(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A run of two epochs that has come to its end; to be read alone."""
    place = tmp_path_factory.mktemp("two-epochs")
    trainer = build(scenes, place, "run", schedule={"epochs": 2})
    list(trainer.run())
    return trainer


def everything(trainer: Trainer) -> dict[str, Any]:
    """All that a run is, as plain values, without what is allowed to differ."""
    plain = trainer.state.checkpoint(trainer.settings).to_plain()
    del plain["settings"]  # the run folder's path
    return plain


def ended(trainer: Trainer) -> dict[str, Any]:
    """As :func:`everything`, of what the run has left: generators as they were when it saved."""
    plain = load_sealed(trainer.folder.last)
    del plain["settings"]
    return plain


def assert_equal(a: Any, b: Any, path: str = "") -> None:
    """Bit equality of nested plain values and tensors."""
    assert type(a) is type(b), path
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            assert_equal(a[key], b[key], f"{path}/{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{path}/{i}")
    else:
        assert a == b, path
