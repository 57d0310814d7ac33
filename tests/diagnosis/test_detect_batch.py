from typing import Any

import pytest
import timm
from torch import nn

from decamo.diagnosis.detect_network import noisy_statistics
from tests.diagnosis.build import past, seen


def found(backbone: str, stage: int = 2, **schedule: int) -> int:
    settings: dict[str, dict[str, Any]] = {"model": {"backbone": backbone}, "schedule": schedule}
    return len(seen(noisy_statistics, past([0.6], settings=settings, stage=stage)))


def test_single_images_under_batchnorm() -> None:
    assert found("resnet50", batch_size=2, stage2_batch_size=1)
    assert found("mobilenetv2_100", batch_size=1)
    assert not found("resnet50", batch_size=2)
    assert not found("resnet50", stage=1, batch_size=1)
    assert not found("edgenext_base", batch_size=1)


@pytest.mark.parametrize(
    "backbone", ["edgenext_base", "mobilenetv2_035", "resnet18", "convnext_atto"]
)
def test_the_list_of_families_is_right_about_these(backbone: str) -> None:
    modules = timm.create_model(backbone, pretrained=False).modules()
    has = any(isinstance(m, nn.BatchNorm2d) for m in modules)
    assert bool(found(backbone, batch_size=1)) == has
