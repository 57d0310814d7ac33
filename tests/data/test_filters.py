"""Each filter beside torchvision's of the same name."""

import pytest
import torch
import torchvision.transforms.v2.functional as TF

from decamo.data.augment import (
    blurred,
    colour_matrix,
    mirror_filled,
    mixed,
    share_of,
    squashed_bytes,
)
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
