import pytest
import torch
from torch import Tensor

from decamo.errors import SettingsError
from decamo.inference.views import Views, seen_through


def brightness(image: Tensor, scale: float) -> Tensor:
    """A network that answers with what it sees: mirrors commute with it."""
    return image.mean(1, keepdim=True)


def from_the_left(image: Tensor, scale: float) -> Tensor:
    """A network that answers with the column's number alone, whatever it sees."""
    return torch.arange(image.shape[-1], dtype=torch.float32).expand(1, 1, image.shape[-2], -1)


def test_one_view_is_the_network_itself() -> None:
    image = torch.rand(2, 3, 64, 64)

    assert torch.equal(seen_through(Views(), brightness, image), brightness(image, 1))


def test_a_mirrored_view_is_mirrored_back() -> None:
    image = torch.rand(2, 3, 64, 64)

    seen = seen_through(Views(flips=True), brightness, image)

    torch.testing.assert_close(seen, brightness(image, 1))


def test_a_side_that_a_network_prefers_cancels_out() -> None:
    seen = seen_through(Views(flips=True), from_the_left, torch.zeros(1, 3, 64, 64))

    torch.testing.assert_close(seen, torch.full((1, 1, 64, 64), 31.5))


def test_each_view_is_seen_at_its_scale_and_all_weigh_alike() -> None:
    image = torch.rand(2, 3, 64, 64)
    asked: list[float] = []

    def see(image: Tensor, scale: float) -> Tensor:
        asked.append(scale)
        return brightness(image, scale) * scale

    seen = seen_through(Views(flips=True, scales=(1.0, 1.5)), see, image)

    assert asked == [1.0, 1.0, 1.5, 1.5]
    torch.testing.assert_close(seen, brightness(image, 1) * 1.25)


@pytest.mark.parametrize("scales", [(), (1.0, 1.0), (0.1,), (5.0,), (float("nan"),)])
def test_scales_that_mean_nothing_are_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(SettingsError, match="--scales"):
        Views(scales=scales)


def test_a_view_is_told_in_words_and_counted() -> None:
    views = Views(flips=True, scales=(1.0, 1.25))

    assert (views.count, views.words()) == (4, "flip, scales 1 1.25")
