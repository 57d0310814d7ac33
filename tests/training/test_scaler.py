import torch

from decamo.training.scaler import FLOOR, GuardedScaler

CPU = torch.device("cpu")


def step(scaler: GuardedScaler, weight: torch.nn.Parameter, value: float) -> None:
    optimiser = torch.optim.SGD([weight], lr=0.1)
    scaler.scale((weight * value).sum()).backward()
    scaler.unscale(optimiser)
    assert weight.grad is not None
    scaler.step(optimiser, finite=bool(torch.isfinite(weight.grad).all()))


def test_after_200_bad_steps_the_next_good_one_does_what_it_should() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    scaler = GuardedScaler(CPU, enabled=True)
    for _ in range(200):
        step(scaler, weight, float("inf"))
        weight.grad = None
    assert torch.equal(weight, torch.ones(3))
    assert scaler.state()["scale"] >= FLOOR
    step(scaler, weight, 2.0)
    torch.testing.assert_close(weight.detach(), torch.full((3,), 0.8))


def test_without_float16_it_steps_only_on_finite_gradients() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    scaler = GuardedScaler(CPU, enabled=False)
    step(scaler, weight, float("nan"))
    assert weight.item() == 1.0
    weight.grad = None
    step(scaler, weight, 1.0)
    assert abs(weight.item() - 0.9) < 1e-6


def test_state_round_trip() -> None:
    one = GuardedScaler(CPU, enabled=True)
    step(one, torch.nn.Parameter(torch.ones(1)), float("inf"))
    other = GuardedScaler(CPU, enabled=True)
    other.load(one.state())
    assert other.state() == one.state()
    GuardedScaler(CPU, enabled=True).load({})  # from a run without float16
