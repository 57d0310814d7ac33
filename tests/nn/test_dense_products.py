"""Products by oneDNN: against the same in double precision, and only where they were asked for."""

import copy
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from decamo.nn import SegmentationNetwork, build_segmenter, dense_products
from decamo.nn.dense_products import by_onednn, laid_for_onednn, onednn_is_faster
from decamo.settings import ModelSettings

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="torch without oneDNN"
)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """A machine where oneDNN is faster; shapes of the products that it computes."""
    found: list[tuple[int, ...]] = []
    product = dense_products._product

    def counted(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        found.append((*x.shape, len(weight)))
        return product(x, weight, bias)

    monkeypatch.setattr(dense_products, "_product", counted)
    monkeypatch.setattr(dense_products, "onednn_is_faster", lambda: True)
    return found


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def conv(kernel: int = 1, stride: int = 1, padding: int = 0, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(12, 8, kernel, stride, padding, groups=groups)


MAPS = last(drawn(2, 12, 6, 5))
CASES: dict[str, tuple[nn.Module, Tensor, int]] = {
    "wide": (nn.Linear(320, 640), drawn(2, 5, 320), 3),
    "narrow": (nn.Linear(16, 7), drawn(40, 16), 2),
    "no bias": (nn.Linear(300, 301, bias=False), drawn(3, 4, 5, 300), 3),
    "turned": (nn.Linear(8, 3), drawn(9, 4, 8).transpose(0, 1), 2),
    "one position": (conv(), MAPS, 2),
    "planes": (conv(), MAPS.contiguous(), 0),
    "three positions": (conv(3, padding=1), MAPS, 0),
    "every other": (conv(stride=2), MAPS, 0),
    "in groups": (conv(groups=4), MAPS, 0),
    "beyond the border": (conv(padding=1), MAPS, 0),
}


def answers(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """The result, and the gradients of a sum that weighs every number of it otherwise."""
    x = x.detach().requires_grad_()
    result = layer(x)
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view(result.shape)
    return [
        result.detach(),
        *torch.autograd.grad((result * weights).sum(), [x, *layer.parameters()]),
    ]


@pytest.mark.parametrize("case", CASES)
def test_results_and_gradients_are_those_of_double_precision(
    case: str, calls: list[tuple[int, ...]]
) -> None:
    layer, x, products = CASES[case]
    with by_onednn(layer, CPU):
        found = answers(layer, x)
    assert len(calls) == products
    exact = answers(copy.deepcopy(layer).double(), x.double())
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other.float(), rtol=1e-4, atol=1e-4)


def test_nothing_is_computed_for_what_does_not_learn(calls: list[tuple[int, ...]]) -> None:
    frozen = nn.Linear(400, 400).requires_grad_(False)
    with by_onednn(frozen, CPU):
        frozen(drawn(4, 400, seed=1).requires_grad_()).sum().backward()
    assert calls == [(4, 400, 400)] * 2
    assert frozen.weight.grad is None


def test_a_layer_that_is_computed_again_going_back_is_computed_alike(
    calls: list[tuple[int, ...]],
) -> None:
    layer = nn.Sequential(nn.Linear(400, 500), nn.GELU(), nn.Linear(500, 400))
    x = drawn(4, 400).requires_grad_()
    with by_onednn(layer, CPU):
        layer(x).square().sum().backward()
        whole = [p.grad.clone() for p in layer.parameters() if p.grad is not None]
        layer.zero_grad()
        checkpoint(layer, x, use_reentrant=False).square().sum().backward()
    assert len(calls) == 2 * 6 + 2  # one product forward, two back; two are computed again
    for one, parameter in zip(whole, layer.parameters(), strict=True):
        assert torch.equal(one, parameter.grad)  # type: ignore[arg-type]


@pytest.mark.parametrize("layer", [nn.Linear(5, 9), conv()])
def test_what_follows_may_work_in_place(layer: nn.Module, calls: list[tuple[int, ...]]) -> None:
    x = drawn(2, 3, 5) if isinstance(layer, nn.Linear) else MAPS
    followed = nn.Sequential(layer, nn.SiLU(inplace=True))
    with by_onednn(followed, CPU):
        found = answers(followed, x)
    assert calls
    wanted = answers(copy.deepcopy(followed).double(), x.double())
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other.float(), rtol=1e-4, atol=1e-4)


def test_other_formats_are_left_to_torch(calls: list[tuple[int, ...]]) -> None:
    layer = nn.Linear(8, 3)
    with by_onednn(layer, CPU):
        with torch.autocast("cpu", torch.bfloat16):
            assert layer(drawn(4, 8)).dtype == torch.bfloat16
        assert layer(drawn(0, 8)).shape == (0, 3)
        assert layer(drawn(8)).shape == (3,)
        layer.double()(drawn(4, 8).double())
    assert not calls


class Doubled(nn.Linear):
    """A layer of others, that computes in a way of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def test_it_ends_with_its_block_and_touches_nothing_else(calls: list[tuple[int, ...]]) -> None:
    layer, other = nn.Linear(8, 3), Doubled(8, 3)
    before = dict(vars(layer))
    with by_onednn(layer, torch.device("cuda")):
        layer(drawn(4, 8))
    with pytest.raises(ZeroDivisionError), by_onednn(layer, CPU):
        raise ZeroDivisionError
    with by_onednn(other, CPU):
        other(drawn(4, 8))
    layer(drawn(4, 8))
    assert not calls
    assert vars(layer) == before


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


def test_an_image_is_laid_for_our_own_networks_in_single_precision_alone(
    calls: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = drawn(2, 3, 64, 64)
    network = build_segmenter(
        ModelSettings("mobilenetv2_035", num_experts=7, pretrained=False),
        sizes=[64],
        initialize=False,
        seed=0,
    )
    laid = laid_for_onednn(network, image)
    assert torch.equal(laid, image)
    assert laid.is_contiguous(memory_format=torch.channels_last)
    foreign = cast(SegmentationNetwork, nn.Identity())
    assert laid_for_onednn(foreign, image) is image
    assert laid_for_onednn(network, image.double()).is_contiguous()
    monkeypatch.setattr(dense_products, "onednn_is_faster", lambda: False)
    assert laid_for_onednn(network, image) is image


def test_a_laid_image_teaches_what_it_taught_by_more_products(calls: list[tuple[int, ...]]) -> None:
    network = build_segmenter(
        ModelSettings("mobilenetv2_035", num_experts=7, pretrained=False),
        sizes=[64],
        initialize=False,
        seed=0,
    )

    def taught(image: Tensor) -> Tensor:
        said = network(image, side_outputs=True)
        total = said.logits.square().mean() + sum(side.square().mean() for side in said.side)
        found = torch.autograd.grad(total, list(network.parameters()), materialize_grads=True)
        return torch.cat([one.flatten() for one in found])

    image = drawn(2, 3, 64, 64)
    wanted = taught(image)
    with by_onednn(network, CPU):
        taught(image)
        usual = len(calls)
        found = taught(laid_for_onednn(network, image))
    assert len(calls) - usual > 2 * usual
    assert (found - wanted).norm() < 1e-4 * wanted.norm()
