import numpy as np
import numpy.typing as npt
import pytest

from decamo.nn import Segmenter, build_segmenter
from decamo.settings import ModelSettings

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
