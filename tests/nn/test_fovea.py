import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from decamo.losses import Criterion
from decamo.nn.fovea import LEAST, SPREAD, Fovea, fovea_around, put_back, seen_at
from decamo.nn.foveated import FoveatedSegmenter
from tests.nn.conftest import Make

SURE = 30.0


def found(height: int, width: int, box: tuple[int, int, int, int]) -> Tensor:
    """Logits of a map that is sure of a box: top, left, bottom, right."""
    logits = torch.full((1, 1, height, width), -SURE)
    top, left, bottom, right = box
    logits[..., top:bottom, left:right] = SURE
    return logits


def smooth(height: int, width: int) -> Tensor:
    """A linear map, which bilinear resampling leaves as it is."""
    y, x = (torch.arange(n) / n for n in (height, width))
    return (2 * x[None] - 3 * y[:, None])[None, None]


@st.composite
def windows(draw: st.DrawFn) -> Fovea:
    half = draw(st.floats(LEAST, 1))
    centre = [draw(st.floats(-1, 1)) * (1 - half) for _ in "xy"]
    return Fovea(torch.tensor([centre]), torch.tensor([half]))


def test_the_window_of_a_square_follows_from_its_middle_and_side() -> None:
    side, cells = 24, 64
    window = fovea_around(found(cells, cells, (8, 24, 8 + side, 24 + side)))
    assert window.centre[0].tolist() == pytest.approx([2 * 36 / cells - 1, 2 * 20 / cells - 1])
    # the variance of n equally likely places one apart is (n * n - 1) / 12
    deviation = math.sqrt((side**2 - 1) / 12) * 2 / cells
    assert window.half.item() == pytest.approx(deviation * SPREAD / 2)
    assert 1.5 < window.half.item() / (side / cells) < 1.7  # a good half of it as a margin


@given(st.integers(0, 2**31), st.floats(-8, 8), st.floats(0.1, 8))
def test_every_window_lies_in_its_image(seed: int, mean: float, deviation: float) -> None:
    drawn = torch.randn(2, 1, 12, 16, generator=torch.Generator().manual_seed(seed))
    centre, half = fovea_around(mean + deviation * drawn)
    assert ((half >= LEAST) & (half <= 1)).all()
    assert (centre.abs() + half[:, None] <= 1 + 1e-6).all()


def test_where_nothing_is_told_apart_the_window_is_the_image() -> None:
    for level in (-SURE, -2.0, SURE):
        centre, half = fovea_around(torch.full((1, 1, 16, 16), level))
        assert half.item() == 1
        assert centre.abs().max() < 1e-6


def test_a_speck_gets_the_least_window_beside_the_edge_that_it_lies_at() -> None:
    centre, half = fovea_around(found(32, 32, (0, 30, 2, 32)))
    assert half.item() == pytest.approx(LEAST)
    assert centre[0].tolist() == pytest.approx([1 - LEAST, LEAST - 1])


def test_no_gradient_goes_through_the_window() -> None:
    logits = found(16, 16, (2, 2, 8, 8)).requires_grad_()
    assert not any(part.requires_grad for part in fovea_around(logits))


def test_a_window_of_half_the_side_shows_each_pixel_once() -> None:
    image = torch.rand(1, 3, 64, 64)
    window = Fovea(torch.tensor([[0.5, -0.5]]), torch.tensor([0.5]))
    assert torch.allclose(seen_at(window, image, (32, 32)), image[..., :32, 32:], atol=1e-5)


def test_the_whole_image_at_half_the_size_is_the_mean_of_four_pixels() -> None:
    image = torch.rand(1, 3, 64, 96)
    window = Fovea(torch.zeros(1, 2), torch.ones(1))
    wanted = torch.nn.functional.avg_pool2d(image, 2)
    assert torch.allclose(seen_at(window, image, (32, 48)), wanted, atol=1e-5)


@pytest.mark.parametrize("times", [2, 3, 4, 6])
def test_what_shrinks_is_smoothed(times: int) -> None:
    """Of noise the mean stays, and of its deviation little; without smoothing half stayed."""
    image = torch.randn(1, 1, 32 * times, 32 * times, generator=torch.Generator().manual_seed(0))
    small = seen_at(Fovea.whole(image), image, (32, 32))
    assert small.mean().item() == pytest.approx(image.mean().item(), abs=0.02)
    assert small.std().item() < 1.5 / times


@given(windows())
def test_what_is_put_back_where_it_was_seen_changes_nothing(window: Fovea) -> None:
    whole = smooth(64, 48)
    part = seen_at(window, whole, (32, 24))
    inner = 4 / 64  # beyond the outermost middles a border is continued, which is not linear
    back = put_back(window, whole, part)
    y, x = ((2 * torch.arange(n) + 1) / n - 1 for n in (64, 48))
    deep = (1 - inner) * window.half
    inside = ((x[None] - window.centre[0, 0]).abs() < deep) & (
        (y[:, None] - window.centre[0, 1]).abs() < deep
    )
    assert torch.allclose(back[0, 0][inside], whole[0, 0][inside], atol=1e-4)


@given(windows())
def test_outside_of_the_window_nothing_is_put(window: Fovea) -> None:
    whole = torch.zeros(1, 1, 40, 56)
    back = put_back(window, whole, torch.ones(1, 1, 8, 8))[0, 0]
    y, x = ((2 * torch.arange(n) + 1) / n - 1 for n in (40, 56))
    apart = torch.maximum(
        ((x - window.centre[0, 0]).abs() / window.half)[None].expand(40, -1),
        ((y - window.centre[0, 1]).abs() / window.half)[:, None].expand(-1, 56),
    )
    assert (back[apart > 1 + 1e-4] == 0).all()
    assert torch.allclose(back[apart < 0.89], torch.ones(()))
    assert ((back >= 0) & (back <= 1 + 1e-6)).all()


def test_no_rim_is_left_where_the_window_ends_with_the_image() -> None:
    window = Fovea(torch.tensor([[0.5, -0.5]]), torch.tensor([0.5]))
    back = put_back(window, torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 16, 16))[0, 0]
    assert (back[:24, 40:] == 1).all()  # the corner that window and image share
    assert back[31, 50].item() < 0.5  # the rim within
    image = Fovea(torch.zeros(1, 2), torch.ones(1))
    assert (put_back(image, torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 4, 4)) == 1).all()


def test_a_fresh_network_adds_nothing_to_its_first_look(make: Make) -> None:
    network = make(fovea=0.5)
    assert isinstance(network, FoveatedSegmenter)
    with torch.no_grad():
        prediction = network(torch.rand(2, 3, 128, 192), side_outputs=True)
    first = torch.nn.functional.interpolate(prediction.side[0], size=(128, 192), mode="bilinear")
    assert torch.allclose(prediction.logits, first, atol=0.02)


def test_the_shapes_are_those_of_a_network_that_looks_once(make: Make) -> None:
    network = make(fovea=0.5)
    prediction = network(torch.rand(2, 3, 128, 192), side_outputs=True, scale=1.5)
    assert prediction.logits.shape == (2, 1, 128, 192)
    sides = [(2, 1, 96 // s, 128 // s) for s in (4, 8, 16, 32)]  # 144 px is no multiple of 32
    assert [tuple(side.shape) for side in prediction.side] == sides
    assert prediction.gates.shape == (4, 2, 7)
    assert torch.allclose(prediction.gates.sum(2), torch.ones(4, 2))


def test_both_looks_are_trained(make: Make) -> None:
    network = make(fovea=0.5)
    network.set_learning(network.groups())
    network.correction.weight.data.normal_()  # type: ignore[union-attr, operator]
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 32:64, 32:64] = 1
    Criterion(True)(network(torch.rand(1, 3, 128, 128), side_outputs=True), mask).total.backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None]
    assert dead == []
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_the_second_look_sees_pixels_that_the_first_does_not(make: Make) -> None:
    """A chequerboard of single pixels is an even grey at half the size, and not in the window."""
    network = make(fovea=0.5)
    assert isinstance(network, FoveatedSegmenter)
    even = torch.zeros(1, 3, 128, 128)
    rows = torch.arange(128)
    fine = even + 4 * (2 * ((rows[:, None] + rows[None]) % 2) - 1)

    def seen(image: Tensor) -> Tensor:
        window = Fovea(torch.zeros(1, 2), torch.full((1,), 0.5))
        return seen_at(window, image, (64, 64))

    assert torch.allclose(network.enlarged(fine), network.enlarged(even), atol=0.1)
    assert (seen(fine) - seen(even)).abs().mean() > 3
