"""Resizes without torch, against torch's own and Pillow's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from decamo.export.array_resize import squashed, stretched
from decamo.geometry import Squash

sides = st.integers(1, 300)
squares = st.sampled_from([32, 64, 96, 224, 352])


@settings(max_examples=25, deadline=None)
@given(sides, sides, squares, st.integers(0, 2**32 - 1), st.booleans())
def test_bytes_are_those_of_torch(
    height: int, width: int, size: int, seed: int, extreme: bool
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if extreme:  # black beside white strains the rounding most
        image = (image > 127).astype(np.uint8) * 255
    wanted = Squash((height, width), size).apply(torch.from_numpy(image).permute(2, 0, 1))
    assert np.array_equal(squashed(image, (size, size)), wanted.numpy())


def test_height_and_width_may_differ() -> None:
    image = np.random.default_rng(0).integers(0, 256, (70, 45, 3), dtype=np.uint8)
    planes = torch.from_numpy(image).permute(2, 0, 1)[None]
    wanted = torch.nn.functional.interpolate(planes, (32, 96), mode="bilinear", antialias=True)
    assert np.array_equal(squashed(image, (32, 96)), wanted[0].numpy())


@pytest.mark.long
@settings(max_examples=15, deadline=None)
@given(sides, st.integers(2, 300), squares, st.integers(0, 2**32 - 1))
def test_maps_are_those_of_torch_up_to_rounding(
    height: int, width: int, size: int, seed: int
) -> None:
    logits = np.random.default_rng(seed).normal(0, 5, (size, size)).astype(np.float32)
    wanted = Squash((height, width), size).undo(torch.from_numpy(logits)[None, None])[0, 0]
    assert stretched(logits, (height, width)) == pytest.approx(wanted.numpy(), abs=2e-5)


@pytest.mark.parametrize("size", [(33, 1), (1, 33), (200, 90)])
def test_maps_are_those_of_pillow(size: tuple[int, int]) -> None:
    """torch 2.15 is wrong by far where a map becomes one pixel wide; Pillow is not."""
    logits = np.random.default_rng(1).normal(0, 1, (32, 32)).astype(np.float32)
    picture = Image.fromarray(logits).resize(size[::-1], Image.Resampling.BILINEAR)
    assert stretched(logits, size) == pytest.approx(np.asarray(picture), abs=1e-4)
