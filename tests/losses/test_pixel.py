import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from decamo.losses.terms import pixel_loss, pixel_weights


def naive_weights(mask: torch.Tensor, k: int) -> torch.Tensor:
    """One pixel at a time, from the paper's formula."""
    B, _, H, W = mask.shape
    out, r = torch.empty_like(mask), k // 2
    for b in range(B):
        for i in range(H):
            for j in range(W):
                rows, columns = slice(max(0, i - r), i + r + 1), slice(max(0, j - r), j + r + 1)
                mean = mask[b, 0, rows, columns].mean()
                out[b, 0, i, j] = 1 + 5 * abs(mean - mask[b, 0, i, j])
    return out


@given(st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=10, deadline=None)
def test_weights_are_those_of_a_naive_loop(seed: int, share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.rand(2, 1, 9, 7, generator=generator) < share).float()
    assert torch.allclose(pixel_weights(mask), naive_weights(mask, 3), atol=1e-5)


@pytest.mark.parametrize(("size", "k"), [(352, 31), (384, 33), (64, 5), (16, 3), (704, 61)])
def test_the_window_grows_with_the_image(size: int, k: int) -> None:
    mask = torch.zeros(1, 1, size, size)
    mask[..., size // 2, size // 2] = 1
    rows = (pixel_weights(mask)[0, 0, :, size // 2] > 1).sum()
    assert int(rows) == k


def test_weights_are_one_on_plateaus_and_high_on_a_lone_pixel() -> None:
    assert (pixel_weights(torch.ones(1, 1, 32, 32)) == 1).all()
    assert (pixel_weights(torch.zeros(1, 1, 32, 32)) == 1).all()
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 9, 9] = 1
    weights = pixel_weights(mask)
    assert weights.max() == weights[..., 9, 9]
    assert float(weights.max()) == pytest.approx(1 + 5 * 8 / 9)


def test_the_loss_is_a_weighted_mean_of_each_image() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 5, 4, generator=generator)
    mask = (torch.rand(2, 1, 5, 4, generator=generator) < 0.5).float()
    weights = torch.rand(2, 1, 5, 4, generator=generator) + 1
    for b in range(2):
        total = 0.0
        for z, t, w in zip(
            logits[b].flatten(), mask[b].flatten(), weights[b].flatten(), strict=True
        ):
            p = 1 / (1 + torch.exp(-z))
            total -= float(w * (t * torch.log(p) + (1 - t) * torch.log(1 - p)))
        expected = total / float(weights[b].sum())
        assert float(pixel_loss(logits, mask, weights)[b]) == pytest.approx(expected, rel=1e-5)


def test_weights_do_weigh() -> None:
    """The mistake of this field: ``reduce='none'`` averages first, and no weight has an effect."""
    logits, mask = (
        torch.tensor([3.0, -1.0]).view(1, 1, 1, 2),
        torch.tensor([1.0, 1.0]).view(1, 1, 1, 2),
    )
    first = pixel_loss(logits, mask, torch.tensor([9.0, 1.0]).view(1, 1, 1, 2))
    second = pixel_loss(logits, mask, torch.tensor([1.0, 9.0]).view(1, 1, 1, 2))
    plain = F.binary_cross_entropy_with_logits(logits, mask)
    assert float(first) < float(plain) < float(second)


def test_gradcheck() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 4, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    mask = (torch.rand(2, 1, 4, 4, generator=generator) < 0.5).double()
    assert torch.autograd.gradcheck(lambda z: pixel_loss(z, mask, pixel_weights(mask)), logits)
