import pytest
import torch

from decamo.training.state import FLOOR, GuardedScaler


def step(scaler: GuardedScaler, weight: torch.nn.Parameter, value: float) -> None:
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scaler.scale((weight * value).sum()).backward()
    scaler.unscale(optimizer)
    assert weight.grad is not None
    scaler.step(optimizer, finite=bool(torch.isfinite(weight.grad).all()))


def test_after_200_bad_steps_the_next_good_one_does_what_it_should() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    scaler = GuardedScaler(enabled=True)
    for _ in range(200):
        step(scaler, weight, float("inf"))
        weight.grad = None
    assert torch.equal(weight, torch.ones(3))
    assert scaler.state()["scale"] >= FLOOR
    step(scaler, weight, 2.0)
    torch.testing.assert_close(weight.detach(), torch.full((3,), 0.8))


def test_without_float16_it_steps_only_on_finite_gradients() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    scaler = GuardedScaler(enabled=False)
    step(scaler, weight, float("nan"))
    assert weight.item() == 1.0
    weight.grad = None
    step(scaler, weight, 1.0)
    assert abs(weight.item() - 0.9) < 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_above_the_floor_it_is_torchs_own(seed: int) -> None:
    """Oracle: GradScaler, on the same finite and other gradients, state by state."""
    ours, weight = GuardedScaler(enabled=True), torch.nn.Parameter(torch.ones(2))
    theirs, other = torch.amp.GradScaler("cpu"), torch.nn.Parameter(torch.ones(2))
    ours.load({**ours.state(), "growth_interval": 3})
    theirs.load_state_dict({**theirs.state_dict(), "growth_interval": 3})
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD([other], lr=0.1)
    for _ in range(60):
        value = float("inf") if torch.rand((), generator=generator) < 0.25 else 0.7
        step(ours, weight, value)
        theirs.scale((other * value).sum()).backward()
        theirs.step(optimizer)
        theirs.update()
        weight.grad = other.grad = None
        assert ours.state() == theirs.state_dict()
        assert torch.equal(weight, other)


def test_state_round_trip() -> None:
    one = GuardedScaler(enabled=True)
    step(one, torch.nn.Parameter(torch.ones(1)), float("inf"))
    other = GuardedScaler(enabled=True)
    other.load(one.state())
    assert other.state() == one.state()
    GuardedScaler(enabled=True).load({})  # from a run without float16
