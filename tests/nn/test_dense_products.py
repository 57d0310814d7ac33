"""Products by oneDNN: against the same in double precision, and only where they were asked for."""

from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from decamo.nn import dense_products
from decamo.nn.dense_products import by_onednn, onednn_is_faster

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="torch without oneDNN"
)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """A machine where oneDNN is faster; shapes of the products that it computes."""
    found: list[tuple[int, ...]] = []
    product = dense_products._product

    def counted(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        found.append((*x.shape, len(weight)))
        return product(x, weight, bias)

    monkeypatch.setattr(dense_products, "_product", counted)
    monkeypatch.setattr(dense_products, "onednn_is_faster", lambda: True)
    yield found


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def answers(work: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    """The result, and the gradients of a sum that weighs every number of it otherwise."""
    leaves = [one.detach().clone().requires_grad_() for one in inputs]
    result = work(*leaves)
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view(result.shape)
    return [result.detach(), *torch.autograd.grad((result * weights).sum(), leaves)]


def exact(work: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    return [one.float() for one in answers(work, *(one.double() for one in inputs))]


def last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


CASES: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...], int]] = {
    "wide": (F.linear, (drawn(2, 5, 320), drawn(640, 320), drawn(640)), 3),
    "narrow": (F.linear, (drawn(40, 16), drawn(7, 16), drawn(7)), 2),
    "no bias": (F.linear, (drawn(3, 4, 5, 300), drawn(301, 300)), 3),
    "turned": (lambda x, w: F.linear(x.transpose(0, 1), w), (drawn(9, 4, 8), drawn(3, 8)), 2),
    "one position": (
        lambda x, w, b: F.conv2d(last(x), w, b),
        (drawn(2, 12, 6, 5), drawn(9, 12, 1, 1), drawn(9)),
        2,
    ),
    "three positions": (
        lambda x, w: F.conv2d(last(x), w, padding=1), (drawn(2, 4, 6, 5), drawn(4, 4, 3, 3)), 0
    ),
    "apart": (F.conv2d, (drawn(2, 12, 6, 5), drawn(9, 12, 1, 1)), 0),
    "every other": (
        lambda x, w: F.conv2d(last(x), w, stride=2), (drawn(2, 4, 6, 6), drawn(4, 4, 1, 1)), 0
    ),
    "in groups": (
        lambda x, w: F.conv2d(last(x), w, groups=4), (drawn(2, 8, 6, 6), drawn(8, 2, 1, 1)), 0
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_results_and_gradients_are_those_of_double_precision(
    case: str, calls: list[tuple[int, ...]]
) -> None:
    work, inputs, products = CASES[case]
    with by_onednn(CPU):
        found = answers(work, *inputs)
    assert len(calls) == products
    for one, other in zip(found, exact(work, *inputs), strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_nothing_is_computed_for_what_does_not_learn(calls: list[tuple[int, ...]]) -> None:
    frozen = nn.Linear(400, 400).requires_grad_(False)
    with by_onednn(CPU):
        frozen(drawn(4, 400, seed=1).requires_grad_()).sum().backward()
    assert calls == [(4, 400, 400)] * 2
    assert frozen.weight.grad is None


def test_a_layer_that_is_computed_again_going_back_is_computed_alike(
    calls: list[tuple[int, ...]],
) -> None:
    layer, x = nn.Linear(400, 400), drawn(4, 400).requires_grad_()
    with by_onednn(CPU):
        layer(x).square().sum().backward()
        whole = [p.grad.clone() for p in layer.parameters() if p.grad is not None]
        layer.zero_grad()
        checkpoint(layer, x, use_reentrant=False).square().sum().backward()
    assert len(calls) == 3 + 4
    for one, parameter in zip(whole, layer.parameters(), strict=True):
        assert torch.equal(one, parameter.grad)  # type: ignore[arg-type]


def test_other_formats_are_left_to_torch(calls: list[tuple[int, ...]]) -> None:
    with by_onednn(CPU), torch.autocast("cpu", torch.bfloat16):
        assert F.linear(drawn(4, 8), drawn(3, 8)).dtype == torch.bfloat16
    with by_onednn(CPU):
        F.linear(drawn(4, 8).double(), drawn(3, 8).double())
        assert F.linear(drawn(0, 8), drawn(3, 8)).shape == (0, 3)
        assert F.linear(drawn(8), drawn(3, 8)).shape == (3,)
    assert not calls


def test_it_ends_with_its_block_and_is_for_processors_alone(calls: list[tuple[int, ...]]) -> None:
    with by_onednn(torch.device("meta")):
        F.linear(drawn(4, 8), drawn(3, 8))
    with by_onednn(CPU):
        pass
    F.linear(drawn(4, 8), drawn(3, 8))
    assert not calls


@pytest.mark.parametrize(
    ("vendor", "capability", "faster"),
    [
        ("vendor_id : AuthenticAMD", "AVX512", True),
        ("AMD64 Family 25 Model 33 Stepping 0, AuthenticAMD", "AVX512", True),
        ("vendor_id : GenuineIntel", "AVX512", False),
        ("vendor_id : AuthenticAMD", "AVX2", False),
    ],
)
def test_it_is_used_where_mkl_leaves_half_of_the_registers(
    vendor: str, capability: str, faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense_products, "_vendor", lambda: vendor)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert onednn_is_faster.__wrapped__() is faster
