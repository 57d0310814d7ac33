import math

import pytest
import torch

from decamo.losses.terms import teaching_loss


def test_it_is_the_divergence_of_two_bernoulli_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, taught = torch.randn(2, 2, 1, 6, 5, dtype=torch.float64, generator=generator)
    q, p = logits.sigmoid(), taught.sigmoid()
    each = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    assert torch.allclose(teaching_loss(logits, taught), each.mean((1, 2, 3)))


@pytest.mark.parametrize("level", [-80.0, -1.0, 0.0, 80.0])
def test_agreement_costs_nothing_and_pulls_nowhere(level: float) -> None:
    taught = torch.full((1, 1, 4, 4), level)
    logits = taught.clone().requires_grad_()
    loss = teaching_loss(logits, taught)
    loss.sum().backward()
    assert loss.tolist() == [0.0]
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) < 1e-7


def test_the_gradient_is_the_difference_of_the_probabilities() -> None:
    logits = torch.tensor([[[[0.3, -2.0]]]], requires_grad=True)
    taught = torch.tensor([[[[1.5, 40.0]]]])
    teaching_loss(logits, taught).sum().backward()
    assert logits.grad is not None
    assert torch.allclose(logits.grad, (logits.detach().sigmoid() - taught.sigmoid()) / 2)


def test_extreme_disagreement_stays_finite() -> None:
    far = torch.full((1, 1, 2, 2), 1e4)
    assert math.isclose(float(teaching_loss(-far, far)), 1e4)
