import pytest
import torch

from decamo.nn.decoder import magnified


@pytest.mark.parametrize(
    ("scale", "sides"),
    [(1.5, (96, 128)), (1.2, (64, 128)), (4.0, (256, 384)), (0.5, (32, 64)), (0.1, (32, 32))],
)
def test_sides_are_the_nearest_multiples_of_32(scale: float, sides: tuple[int, int]) -> None:
    assert magnified(torch.rand(1, 3, 64, 96), scale).shape == (1, 3, *sides)


def test_at_1_it_is_the_image_itself() -> None:
    image = torch.rand(1, 3, 40, 40)  # no multiple of 32: whoever asks for 1 gets what he gave
    assert magnified(image, 1) is image


@pytest.mark.parametrize("scale", [0.5, 1.3, 3.0])
def test_a_constant_stays_itself(scale: float) -> None:
    found = magnified(torch.full((1, 2, 64, 64), 0.3), scale)
    torch.testing.assert_close(found, torch.full_like(found, 0.3))


def test_what_is_finer_than_the_smaller_grid_is_smoothed_away() -> None:
    checks = (torch.arange(128) % 2).float().expand(1, 1, 128, 128)
    torch.testing.assert_close(
        magnified(checks, 0.25)[..., 4:-4], torch.full((1, 1, 32, 24), 0.5), atol=0.02, rtol=0
    )
