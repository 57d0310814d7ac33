"""Tiny terms of a comparison by quality, and the ground that its runs stand on."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks.quality_terms import Terms, everything_trains
from benchmarks.quality_train import Ground
from decamo.training.runtime import Runtime

MakeGround = Callable[..., Ground]


@pytest.fixture
def terms(scenes: Path) -> Terms:
    return Terms(
        (scenes,),
        "test_efficientnet",
        epochs=2,
        img_size=64,
        batch_size=5,
        num_workers=0,
        device="cpu",
    )


@pytest.fixture
def ground_of(terms: Terms, tmp_path: Path) -> MakeGround:
    """``ground_of(name, stop)``: a ground of its own below this test's folder."""
    splits = everything_trains(terms, tmp_path / "census.json")

    def make(name: str, stop: Callable[[], str] = lambda: "") -> Ground:
        runtime = Runtime(torch.device("cpu"))
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        return Ground(root, terms, splits, runtime, stop, lambda: 0.0, lambda _line: None)

    return make
