import pytest
import torch

from decamo.nn import build_segmenter
from decamo.settings import ModelSettings


@pytest.mark.parametrize("side_outputs", [True, False])
def test_shapes_are_those_of_the_contract(side_outputs: bool) -> None:
    settings = ModelSettings("mobilenetv2_035", num_experts=5, pretrained=False)
    model = build_segmenter(settings, sizes=[64], seed=0)
    image = torch.zeros(2, 3, 64, 96)
    prediction = model(image, side_outputs=side_outputs)
    assert prediction.logits.shape == (2, 1, 64, 96)
    sides = [tuple(s.shape) for s in prediction.side]
    assert sides == ([(2, 1, 8, 12), (2, 1, 4, 6), (2, 1, 2, 3)] if side_outputs else [])
    assert prediction.gates.shape == (4, 2, 5)
    torch.testing.assert_close(prediction.gates.sum(-1), torch.ones(4, 2))
    assert prediction.usage.shape == (4, 5)
    assert not prediction.usage.requires_grad
