from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from benchmarks.host_waits import HostWaits

X = torch.arange(4.0)


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda: X.sum().item(), "local_scalar_dense"),
        (lambda: float(X.sum()), "local_scalar_dense"),
        (lambda: bool(X.sum() > 0), "local_scalar_dense"),
        (X.tolist, "tolist"),
        (X.cpu, "cpu"),
        (X.numpy, "numpy"),
        (X.nonzero, "nonzero"),
        (X.unique, "unique2"),
        (lambda: X[X > 1], "index by truth values"),
        (lambda: X.to("cpu"), f"to in {__name__}"),
        (lambda: X.to(torch.device("cpu")), f"to in {__name__}"),
        (lambda: torch.tensor([1.0], device="cpu"), f"tensor in {__name__}"),
    ],
)
def test_each_kind_of_wait_is_counted_once(act: Callable[[], object], kind: str) -> None:
    with HostWaits() as waits:
        act()
    assert waits.found == {kind: 1}
    assert waits.total == 1


def test_what_runs_ahead_is_not_counted() -> None:
    weight = torch.ones(4, requires_grad=True)
    with HostWaits() as waits:
        there = X.to("cpu", non_blocking=True).to(torch.float64)
        (there * weight)[[0, 2]].where(X[:2] > 1, 0.0).sum().backward()
        assert there.shape == (4,)
    assert waits.found == {}


def test_the_backward_pass_is_seen() -> None:
    class Looks(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, *gradients: Tensor) -> Tensor:
            return gradients[0] * gradients[0].sum().item()

    x = torch.ones(3, requires_grad=True)
    looked: Tensor = Looks.apply(x)
    with HostWaits() as waits:
        looked.sum().backward()
    assert waits.found == {"local_scalar_dense": 1}


def test_what_lives_on_the_host_is_free() -> None:
    count = torch.zeros(())
    with HostWaits(lambda: [count]) as waits:
        count.item()
        X.sum().item()
    assert waits.total == 1
