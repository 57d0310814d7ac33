from typing import cast

import pytest
import torch

from benchmarks.ablation_designs import ChosenPlaces, RawPixels, SharedScales
from benchmarks.ablation_networks import build_changed
from decamo.nn import Segmenter, build_segmenter
from decamo.nn.cost import measure_cost
from decamo.settings import ModelSettings

SETTINGS = ModelSettings("test_efficientnet", num_experts=7, pretrained=False)


def built(change: str) -> Segmenter:
    return build_changed(change, SETTINGS, sizes=[64], seed=3)


@pytest.mark.long
@pytest.mark.parametrize("change", ["chosen places", "shared scales"])
def test_it_costs_what_a_dense_block_does(change: str) -> None:
    own, dense = (measure_cost(built(name), 192).flops for name in (change, "dense block"))
    assert own == pytest.approx(dense, rel=0.05)


def test_raw_pixels_say_nothing_at_first_and_nothing_of_a_flat_image() -> None:
    usual, told = (
        build_segmenter(SETTINGS, sizes=[64], seed=3),
        cast(RawPixels, built("raw pixels")),
    )
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(told(image).logits, usual(image).logits)
    torch.manual_seed(0)
    torch.nn.init.normal_(told.raw.leave.weight)
    assert not torch.equal(told(image).logits, usual(image).logits)
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    flat, edge = torch.full((1, 3, 64, 64), 0.7), torch.zeros(1, 3, 64, 64)
    edge[..., 32:] = 1
    kept = told.raw(flat)[inner]
    assert torch.allclose(kept, kept[..., :1, :1].expand_as(kept), atol=1e-5)
    columns = told.raw(edge).detach()[0].std(dim=0).sum(0)
    assert 6 <= int(columns.argmax()) <= 9  # of 16: where the edge is


@pytest.mark.parametrize("shape", [(16, 16), (4, 4), (5, 10), (1, 2)])
def test_a_quarter_of_the_places_is_chosen_and_the_rest_is_left_alone(
    shape: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    block = ChosenPlaces(8, 12)
    x = torch.randn(3, 8, *shape)
    out, gates = block(x)
    assert gates.shape == (3, 1)
    changed = (out != x).any(dim=1).float()
    rows, columns = (-(-side // 4) for side in shape)
    whole = torch.nn.functional.pad(changed, (0, 4 * columns - shape[1], 0, 4 * rows - shape[0]))
    places = torch.nn.functional.max_pool2d(whole, 4).flatten(1).sum(1)
    assert places.tolist() == [-(-rows * columns // 4)] * 3


def test_chosen_everywhere_it_is_a_dense_block() -> None:
    torch.manual_seed(0)
    block = ChosenPlaces(8, 12)
    block.share = 1
    torch.nn.init.zeros_(block.choose.weight)
    torch.nn.init.constant_(block.choose.bias, 100.0)  # type: ignore[arg-type]
    x = torch.randn(2, 8, 8, 12)
    hidden = block.enter(torch.nn.functional.pad(x, (1, 1, 1, 1)))
    dense = x + block.leave(torch.nn.functional.gelu(block.conv(hidden)))
    torch.testing.assert_close(block(x)[0], dense)


def test_shared_scales_add_no_weights_but_gates() -> None:
    torch.manual_seed(0)
    block = SharedScales(16, 3, 8)
    out, gates = block(torch.randn(2, 16, 9, 7))
    assert out.shape == (2, 16, 9, 7)
    assert gates.shape == (2, 6)
    torch.testing.assert_close(gates.sum(1), torch.ones(2))
