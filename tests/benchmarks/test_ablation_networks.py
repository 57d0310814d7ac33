from typing import cast

import pytest
import torch
from torch import Tensor

from benchmarks.ablation_networks import CHANGES, build_changed
from decamo.losses import Criterion
from decamo.nn import Segmenter, build_segmenter
from decamo.nn.cost import measure_cost
from decamo.nn.experts import Mixture
from decamo.settings import ModelSettings
from decamo.settings.expert_names import EXPERT_KINDS

SETTINGS = ModelSettings("test_efficientnet", num_experts=7, pretrained=False)


def built(change: str) -> Segmenter:
    return build_changed(change, SETTINGS, sizes=[64], seed=3)


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "change",
    [pytest.param(c, marks=pytest.mark.long if n % 4 else ()) for n, c in enumerate(CHANGES)],
)
def test_it_learns_as_the_network_does(change: str, image: Tensor) -> None:
    network = built(change)
    prediction = network(image, side_outputs=True)
    assert prediction.logits.shape == (2, 1, 64, 64)
    torch.testing.assert_close(prediction.gates.sum(2), torch.ones(4, 2))
    assert prediction.usage.shape == (4, prediction.gates.shape[2])
    Criterion(True)(prediction, torch.zeros(2, 1, 64, 64)).total.backward()
    learned = [p.grad for p in network.mixtures.parameters() if p.grad is not None]
    assert any(float(g.abs().max()) > 0 for g in learned)
    network.follow_usage(prediction.gates.detach().mean(1))
    assert network.architecture["network"] == change


@pytest.mark.parametrize(
    "change",  # one that looks for its size builds 32 blocks of each level
    [pytest.param(c, marks=pytest.mark.long if c == "dense block" else ()) for c in CHANGES],
)
def test_a_seed_makes_the_same_network_and_leaves_the_generator(change: str) -> None:
    before = torch.get_rng_state()
    one, other = built(change).state_dict(), built(change).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_dense_block_costs_what_the_experts_do() -> None:
    usual = build_segmenter(SETTINGS, sizes=[64], seed=0)
    bare = measure_cost(usual.backbone, 64).flops
    experts, dense = (measure_cost(n, 64).flops - bare for n in (usual, built("dense block")))
    assert dense == pytest.approx(experts, rel=0.05)


@pytest.mark.parametrize("kind", EXPERT_KINDS)
def test_without_a_kind_the_six_others_are_left(kind: str) -> None:
    usual = build_segmenter(SETTINGS, sizes=[64], seed=0)
    index = EXPERT_KINDS.index(kind)
    for whole, left in zip(usual.mixtures, built(f"without {kind}").mixtures, strict=True):
        every = list(map(str, cast(Mixture, whole).experts))
        remaining = list(map(str, cast(Mixture, left).experts))
        assert remaining == [*every[:index], *every[index + 1 :]]


def test_routers_do_what_they_are_called(image: Tensor) -> None:
    even = built("equal gates")(image).gates
    assert torch.equal(even, torch.full_like(even, 1 / 7))
    best = built("best two experts")(image).gates
    assert torch.equal((best > 0).sum(2), torch.full((4, 2), 2))
    place = cast(Mixture, built("router per place").mixtures[0])
    gates = place.router(torch.randn(2, 64, 8, 8))
    assert gates.shape == (2, 7, 8, 8)
    assert float(gates.std(dim=(2, 3)).detach().min()) > 0
