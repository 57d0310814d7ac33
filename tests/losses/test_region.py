import pytest
import torch
from torch import Tensor

from decamo.losses.terms import region_loss


def draw(seed: int, share: float = 0.4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 1, 6, 5, dtype=torch.float64, generator=generator)
    mask = (torch.rand(2, 1, 6, 5, generator=generator) < share).double()
    return logits, mask, 1 + 5 * torch.rand(2, 1, 6, 5, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_familiar_soft_iou_for_a_hard_mask(seed: int) -> None:
    logits, mask, weights = draw(seed)
    p = logits.sigmoid()
    inter = (weights * p * mask).sum((1, 2, 3))
    union = (weights * (p + mask - p * mask)).sum((1, 2, 3))
    assert torch.allclose(region_loss(logits, mask, weights), 1 - inter / union)


def test_without_foreground_it_is_the_weighted_mean_probability() -> None:
    logits, mask, weights = draw(0, share=0)
    expected = (weights * logits.sigmoid()).sum((1, 2, 3)) / weights.sum((1, 2, 3))
    assert torch.allclose(region_loss(logits, mask, weights), expected)


@pytest.mark.parametrize("foreground", [0.0, 1.0])
def test_a_perfect_and_a_worst_answer(foreground: float) -> None:
    mask = torch.full((1, 1, 4, 4), foreground)
    mask[..., 0] = foreground
    right = (2 * mask - 1) * 40
    ones = torch.ones_like(mask)
    assert float(region_loss(right, mask, ones)) == pytest.approx(0, abs=1e-6)
    assert float(region_loss(-right, mask, ones)) == pytest.approx(1, abs=1e-6)


def test_one_image_s_empty_mask_does_not_touch_its_neighbour() -> None:
    logits, mask, weights = draw(1)
    alone = region_loss(logits, mask, weights)[1]
    mask = torch.cat((torch.zeros_like(mask[:1]), mask[1:]))
    assert torch.equal(region_loss(logits, mask, weights)[1], alone)


def test_a_soft_mask_is_matched_best_by_itself() -> None:
    _, _, weights = draw(2)
    mask = torch.rand(2, 1, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exact = torch.logit(mask)
    assert region_loss(exact, mask, weights).abs().max() < 1e-12
    assert (region_loss(exact + 0.3, mask, weights) > 0.01).all()
    assert (region_loss(exact.sign() * 9, mask, weights) > 0.01).all()


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_gradcheck(share: float) -> None:
    logits, mask, weights = draw(3, share)
    assert torch.autograd.gradcheck(
        lambda z: region_loss(z, mask, weights), logits.requires_grad_()
    )
