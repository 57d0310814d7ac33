from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import decamo
from decamo.nn import Segmenter, build_segmenter
from decamo.settings import ModelSettings

TINY = {
    "backbone": "test_efficientnet",
    "num_experts": 2,
    "pretrained": False,
    "device": "cpu",
    "img_size": 32,
    "stage1_epochs": 1,
    "epochs": 2,
    "batch_size": 4,
    "num_workers": 0,
    "val_fraction": 0.2,
}
SIZES = ((40, 70), (100, 33), (64, 64), (1, 5))


@pytest.fixture(scope="session")
def shared_model() -> Segmenter:
    """A small network with random weights; tests leave it as it is."""
    chosen = ModelSettings("test_efficientnet", num_experts=2, pretrained=False)
    return build_segmenter(chosen, sizes=[64], seed=0)


@pytest.fixture
def images() -> list[npt.NDArray[np.uint8]]:
    """RGB images of different sizes and shapes."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]


@pytest.fixture(scope="session")
def checkpoint(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a tiny run with moving averages."""
    folder = tmp_path_factory.mktemp("run")
    return decamo.train(TINY, dataset_path=scenes, use_ema=True, checkpoint_dir=folder).folder.best
