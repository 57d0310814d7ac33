import pytest
import torch
from torch import Tensor

from decamo.losses.terms import boundary_loss, soft_outline


def disc(size: int = 32, centre: tuple[int, int] = (16, 16), radius: int = 8) -> Tensor:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2).double()[None, None]


def certain(mask: Tensor) -> Tensor:
    return (2 * mask - 1) * 40


def test_the_outline_is_the_spread_over_each_neighbourhood() -> None:
    p = torch.rand(1, 1, 6, 5, generator=torch.Generator().manual_seed(0))
    found = soft_outline(p)
    for i in range(6):
        for j in range(5):
            around = p[0, 0, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2]
            assert float(found[0, 0, i, j]) == pytest.approx(float(around.max() - around.min()))


def test_right_is_zero_and_worse_is_more() -> None:
    mask = disc()
    losses = [
        float(boundary_loss(certain(disc(centre=(16, 16 + shift))), mask))
        for shift in (0, 2, 4, 16)
    ]
    assert losses[0] == pytest.approx(0, abs=1e-6)
    assert losses == sorted(losses)
    assert losses[1] < losses[2] < losses[3] <= 1
    # an outline does not say which side is inside; the other terms do
    assert float(boundary_loss(certain(1 - mask), mask)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_outline_no_loss_but_a_graph(value: float) -> None:
    logits = torch.randn(1, 1, 8, 8, requires_grad=True)
    loss = boundary_loss(logits, torch.full((1, 1, 8, 8), value))
    assert float(loss.detach()) == 0
    loss.sum().backward()
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_images_are_scored_alone() -> None:
    mask = torch.cat((disc(), torch.zeros_like(disc())))
    logits = torch.randn(2, 1, 32, 32, dtype=torch.float64)
    both = boundary_loss(logits, mask)
    assert torch.allclose(both[:1], boundary_loss(logits[:1], mask[:1]))
    assert float(both[1]) == 0


@pytest.mark.parametrize("size", [7, 8])
def test_gradcheck_and_odd_sizes(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 1, size, size, dtype=torch.float64, generator=generator)
    mask = disc(size, (3, 3), 3)
    assert torch.autograd.gradcheck(lambda z: boundary_loss(z, mask), logits.requires_grad_())
