"""What an exported network is held against in speed computes what it says."""

from pathlib import Path

import numpy as np
import openvino
import pytest
import torch

from benchmarks.forward_way import export_bare, network_of


@pytest.mark.long
def test_the_bare_backbone_by_openvino_has_torch_s_features(tmp_path: Path) -> None:
    network = network_of("edgenext_xx_small", 64)
    image = np.random.default_rng(0).random((1, 3, 64, 64), dtype=np.float32)
    exact = {"INFERENCE_PRECISION_HINT": "f32"}  # bfloat16 otherwise, where a processor has it
    compiled = openvino.compile_model(export_bare(network, 64, tmp_path), "CPU", exact)
    with torch.inference_mode():
        features = network.backbone(torch.from_numpy(image))
    for own, other in zip(compiled([image]).values(), features, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-3)
