import pytest
import torch

from decamo.losses.terms import balance_loss
from decamo.nn.experts import Router


def test_by_hand() -> None:
    gates = torch.tensor([[[0.5, 0.5], [0.7, 0.3]], [[1.0, 0.0], [1.0, 0.0]]])
    usage = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    # level 0: 2 (0.9 * 0.6 + 0.1 * 0.4) = 1.16; level 1: 2 (0.5 * 1 + 0) = 1
    assert float(balance_loss(gates, usage)) == pytest.approx((1.16 + 1) / 2)


def test_at_batch_1_the_gradient_leads_away_from_the_overused_expert() -> None:
    scores = torch.zeros(1, 1, 4, requires_grad=True)
    usage = torch.tensor([[0.7, 0.1, 0.1, 0.1]])
    balance_loss(scores.softmax(2), usage).backward()
    assert scores.grad is not None
    step = -scores.grad[0, 0]
    assert step[0] < 0
    assert (step[1:] > 0).all()


def test_even_usage_pushes_nobody() -> None:
    scores = torch.tensor([[[2.0, -1.0, 0.0]]], requires_grad=True)
    loss = balance_loss(scores.softmax(2), torch.full((1, 3), 1 / 3))
    assert float(loss.detach()) == pytest.approx(1)
    loss.backward()
    assert scores.grad is not None
    assert scores.grad.abs().max() < 1e-6


def test_usage_carries_no_gradient() -> None:
    usage = torch.full((1, 3), 1 / 3, requires_grad=True)
    assert not balance_loss(torch.full((1, 2, 3), 1 / 3), usage).requires_grad


def test_a_collapsed_router_recovers_at_batch_1() -> None:
    """All images to one expert; only the balance term acts, one image at a time."""
    router = Router(8, 4)
    with torch.no_grad():
        router.score.bias.copy_(torch.tensor([3.0, 0.0, 0.0, 0.0]))
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(router.parameters(), 0.02)
    largest = []
    for _ in range(300):
        gates = router(torch.randn(1, 8, 4, 4, generator=generator))
        largest.append(float(gates.detach().max()))
        optimizer.zero_grad()
        balance_loss(gates[None], router.usage[None].clone()).backward()
        router.follow(gates.detach().mean(0))
        optimizer.step()
    assert largest[0] > 0.8
    assert min(largest) < 0.5
