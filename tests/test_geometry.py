import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from decamo.geometry import Squash

sides = st.integers(1, 40)


@settings(max_examples=60, deadline=None)
@given(sides, sides, sides, st.floats(-3, 3))
def test_a_constant_survives_both_ways(height: int, width: int, size: int, value: float) -> None:
    squash = Squash((height, width), size)
    small = squash.apply(torch.full((2, height, width), value))
    assert small.shape == (2, size, size)
    back = squash.undo(small)
    assert back.shape == (2, height, width)
    assert torch.allclose(back, torch.full_like(back, value), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(sides, sides, sides, st.integers(0, 2**31))
def test_a_probability_stays_one_up_to_rounding(h: int, w: int, size: int, seed: int) -> None:
    t = torch.rand(1, size, size, generator=torch.Generator().manual_seed(seed)).round()
    back = Squash((h, w), size).undo(t)
    assert back.min() >= -1e-6
    assert back.max() <= 1 + 1e-6


def test_nothing_moves_by_as_much_as_a_fifth_of_a_pixel() -> None:
    # On a plane a value is a position. Antialiasing with a sampled triangle errs by about 0.06 px
    # here; a convention that is wrong by half a pixel would show as 0.1 to 0.15.
    ys, xs = torch.meshgrid(torch.arange(60.0), torch.arange(90.0), indexing="ij")
    plane = (0.3 * ys - 0.2 * xs)[None]
    squash = Squash((60, 90), 48)
    back = squash.undo(squash.apply(plane))
    assert torch.allclose(back[:, 6:-6, 6:-6], plane[:, 6:-6, 6:-6], rtol=0, atol=0.04)


def test_shrinking_averages_instead_of_picking() -> None:
    stripes = (torch.arange(64) % 2).float().expand(1, 64, 64)
    small = Squash((64, 64), 16).apply(stripes)
    assert torch.allclose(small[..., 2:-2], torch.full((1, 16, 12), 0.5), atol=1e-5)
    back = Squash((16, 16), 64).undo(stripes)
    assert torch.allclose(back[..., 2:-2], torch.full((1, 16, 12), 0.5), atol=1e-5)


def test_bytes_agree_with_pillow_an_independent_antialiased_bilinear() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (57, 83, 3), dtype=np.uint8)
    oracle = np.asarray(Image.fromarray(pixels).resize((32, 32), Image.Resampling.BILINEAR))
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    ours = Squash((57, 83), 32).apply(image)
    assert ours.dtype == torch.uint8
    assert (ours.permute(1, 2, 0).int() - torch.from_numpy(oracle.copy()).int()).abs().max() <= 1
    floats = Squash((57, 83), 32).apply(image.float())
    assert (floats - ours).abs().max() <= 1


def test_leading_dimensions_are_kept_and_do_not_mix() -> None:
    t = torch.rand(2, 3, 4, 11, 13)
    squash = Squash((11, 13), 8)
    whole = squash.apply(t)
    assert whole.shape == (2, 3, 4, 8, 8)
    assert torch.equal(whole[1, 2], squash.apply(t[1, 2]))
    assert squash.undo(torch.rand(0, 1, 8, 8)).shape == (0, 1, 11, 13)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    t = torch.rand(1, 10, 12).to(dtype)
    back = Squash((20, 7), 5).undo(torch.ones(1, 5, 5, dtype=dtype))
    assert Squash((10, 12), 5).apply(t).dtype == dtype
    assert back.dtype == dtype


def test_mask_is_on_where_half_of_the_pixel_is_covered() -> None:
    mask = torch.zeros(8, 8, dtype=torch.bool)
    mask[:, :4] = True
    small = Squash((8, 8), 4).apply_mask(mask)
    assert small.dtype == torch.bool
    assert small.tolist() == [[True, True, False, False]] * 4


def test_mask_keeps_its_share_where_sampling_points_would_lose_it() -> None:
    mask = torch.ones(100, 100, dtype=torch.bool)
    mask[::10] = False
    assert Squash((100, 100), 10).apply_mask(mask).all()
    assert not Squash((100, 100), 10).apply_mask(~mask).any()


def test_the_native_size_leaves_everything_as_it_is() -> None:
    t = torch.rand(3, 9, 9)
    squash = Squash((9, 9), 9)
    same = squash.apply(t)
    assert torch.equal(same, t)
    assert same is not t
    assert torch.equal(squash.undo(t), t)


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="want"):
        Squash((8, 9), 4).apply(torch.rand(3, 9, 8))
    with pytest.raises(ValueError, match="want"):
        Squash((8, 9), 4).undo(torch.rand(3, 8, 9))
    with pytest.raises(ValueError, match="positive"):
        Squash((0, 9), 4)
