import pytest
from torch import nn

from decamo.nn.cost import Cost, measure_cost
from tests.nn.conftest import Make


def test_a_convolution_by_hand() -> None:
    conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    assert measure_cost(conv, 16) == Cost(parameters=3 * 8 * 9, flops=2 * 3 * 8 * 9 * 16 * 16)


def test_measuring_leaves_no_trace(make: Make) -> None:
    segmenter = make()
    before = {n: b.clone() for n, b in segmenter.named_buffers()}
    measure_cost(segmenter, 64)
    assert segmenter.training
    assert not segmenter.backbone.training
    assert all(b.equal(before[n]) for n, b in segmenter.named_buffers())


def test_seven_experts_cost_at_most_a_fifth_over_the_bare_backbone(make: Make) -> None:
    """The budget that the design promises, for the default backbone and size."""
    segmenter = make("edgenext_base")
    whole, bare = measure_cost(segmenter, 384), measure_cost(segmenter.backbone, 384)
    assert bare.flops == pytest.approx(17.22e9, rel=0.01)
    assert whole.flops <= 1.20 * bare.flops
    assert whole.parameters <= 1.05 * bare.parameters
