import torch

from decamo.nn.decoder import ConvBlock, Decoder


def pyramid() -> list[torch.Tensor]:
    return [torch.randn(1, 16, size, size) for size in (16, 8, 4, 2)]


def test_shapes_and_order_are_kept() -> None:
    levels = pyramid()
    decoded = Decoder(16, 4)(levels)
    assert [d.shape for d in decoded] == [level.shape for level in levels]


def test_information_goes_down_only() -> None:
    """A change at one level reaches itself and every shallower one, no deeper one."""
    decoder, levels = Decoder(16, 4), pyramid()
    before = decoder(levels)
    for changed in range(4):
        other = [level + (i == changed) * level for i, level in enumerate(levels)]
        moved = [not torch.equal(a, b) for a, b in zip(before, decoder(other), strict=True)]
        assert moved == [i <= changed for i in range(4)]


def test_a_block_normalizes_each_image_alone() -> None:
    block, x = ConvBlock(16), torch.randn(2, 16, 4, 4)
    assert torch.allclose(block(x)[:1], block(x[:1]), atol=1e-6)
    assert torch.allclose(block(100 * x), block(x), atol=1e-3)
