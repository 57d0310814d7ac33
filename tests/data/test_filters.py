"""Each filter beside torchvision's of the same name."""

import pytest
import torch
import torchvision.transforms.v2.functional as TF
from torch.nn.functional import interpolate

from decamo.data.augment import (
    blurred,
    colour_matrix,
    mirror_filled,
    mixed,
    squashed_bytes,
)
from decamo.data.mask_shares import share_of
from decamo.geometry import Squash


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(
        0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.0, 1.5])
def test_blur_is_torchvisions_to_one_grey_level(sigma: float) -> None:
    image = noise(3, 20, 31)
    reach = 2 * -int(-2 * sigma // 1) + 1
    theirs = TF.gaussian_blur(image, [reach, reach], [sigma, sigma])
    assert (blurred(image, sigma).int() - theirs.int()).abs().max() <= 1


@pytest.mark.parametrize("angle", [-15.0, -4.0, 0.0, 9.0, 15.0])
def test_rotation_is_torchvisions_of_a_mirrored_margin(angle: float) -> None:
    squares = noise(4, 40, 40).float()
    padded = TF.pad(squares, [12] * 4, padding_mode="reflect")
    turned = TF.rotate(padded, angle, interpolation=TF.InterpolationMode.BILINEAR)
    theirs = turned[:, 12:-12, 12:-12]
    assert torch.allclose(mirror_filled(squares, angle), theirs, atol=0.05)


def test_one_pixel_can_be_turned() -> None:
    assert torch.equal(mirror_filled(torch.full((4, 1, 1), 7.0), 9.0), torch.full((4, 1, 1), 7.0))


@pytest.mark.parametrize(("height", "width"), [(100, 130), (40, 41), (20, 33), (48, 48), (1, 90)])
def test_shares_are_within_one_255th_of_what_is_covered(height: int, width: int) -> None:
    mask = noise(1, height, width) > 128
    exact = Squash((height, width), 48).apply(mask.float()) * 255
    shares = share_of(mask, 48)
    assert shares.shape == (1, 48, 48)
    assert shares.dtype == torch.uint8
    assert (shares - exact).abs().max() <= 1.001
    assert torch.equal(share_of(mask.to(torch.uint8), 48), shares)


@pytest.mark.parametrize("part", ["none", "all", "pixel", "corner", "stripe", "two", "scattered"])
@pytest.mark.parametrize(("height", "width"), [(50, 71), (20, 30), (48, 90), (90, 48), (1, 3)])
def test_shares_are_those_of_the_whole_mask_resized(part: str, height: int, width: int) -> None:
    mask = torch.zeros(1, height, width, dtype=torch.bool)
    ys, xs = slice(height // 3, height // 3 + 2), slice(width // 2, width // 2 + 3)
    if part == "all":
        mask[:] = True
    elif part == "pixel":
        mask[0, height // 2, width // 3] = True
    elif part == "corner":
        mask[0, -2:, -2:] = True
    elif part == "stripe":
        mask[0, ys] = True
    elif part == "two":
        mask[0, ys, xs] = mask[0, :1, :2] = True
    elif part == "scattered":
        mask = noise(1, height, width) > 250
    tall = mask.to(torch.uint8) * 255
    if height != 48:
        tall = interpolate(tall[None], (48, width), mode="bilinear", antialias=True)[0]
    if width != 48:
        tall = interpolate(tall[None], (48, 48), mode="bilinear", antialias=True)[0]
    window = torch.zeros(1, height + 3, width + 5, dtype=torch.bool)
    window[:, 1:-2, 2:-3] = mask
    assert share_of(mask, 48).equal(tall)
    assert share_of(window[:, 1:-2, 2:-3], 48).equal(tall)


@pytest.mark.parametrize("window", [(slice(0, 50), slice(0, 70)), (slice(7, 41), slice(11, 60))])
def test_a_window_of_interleaved_colours_is_squashed_as_a_picture_of_its_own(
    window: tuple[slice, slice],
) -> None:
    interleaved = noise(50, 70, 3).permute(2, 0, 1)
    part = interleaved[:, window[0], window[1]]
    height, width = part.shape[1:]
    alone = part.clone(memory_format=torch.contiguous_format)
    assert squashed_bytes(part, 32).equal(Squash((height, width), 32).apply(alone))


def test_squashing_is_the_geometrys() -> None:
    image = noise(3, 50, 70)
    assert torch.equal(squashed_bytes(image, 32), Squash((50, 70), 32).apply(image))


def test_no_change_of_colour_changes_nothing() -> None:
    image = noise(3, 9, 9)
    assert torch.equal(mixed(image, colour_matrix(0.0, 1.0), 1.0, 1.0), image)


def test_without_saturation_all_channels_are_the_luminance() -> None:
    image = noise(3, 9, 9)
    grey = mixed(image, colour_matrix(0.0, 0.0), 1.0, 1.0)
    assert (grey.int() - TF.rgb_to_grayscale(image, 3).int()).abs().max() <= 1
