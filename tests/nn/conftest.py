from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from decamo.nn import Segmenter, build_segmenter
from decamo.settings import ModelSettings

Make = Callable[..., Segmenter]


@pytest.fixture
def make() -> Make:
    """A small network with random weights and an expert of each kind; settings by keyword."""

    def build(backbone: str = "mobilenetv2_035", seed: int = 0, **settings: Any) -> Segmenter:
        settings = {"num_experts": 7} | settings
        chosen = ModelSettings(backbone=backbone, pretrained=False, **settings)
        return build_segmenter(chosen, sizes=[64], seed=seed)

    return build


@pytest.fixture
def image() -> Tensor:
    """Normalised float32 ``[2,3,64,64]``."""
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
