import pytest
import torch
from torch import Tensor

from decamo.errors import SettingsError
from decamo.inference.tta import seen_through
from decamo.inference.views import Views


def brightness(image: Tensor, scale: float) -> Tensor:
    """A network that answers with what it sees: mirrors commute with it."""
    return image.mean(1, keepdim=True)


def from_the_left(image: Tensor, scale: float) -> Tensor:
    """A network that finds the object on the right, whatever it sees."""
    columns = torch.arange(image.shape[-1], dtype=torch.float32) - (image.shape[-1] - 1) / 2
    return (columns / 10).expand(1, 1, image.shape[-2], -1)


def test_one_view_is_the_network_itself() -> None:
    image = torch.rand(2, 3, 64, 64)

    assert torch.equal(seen_through(Views(), brightness, image), brightness(image, 1))


def test_a_mirrored_view_is_mirrored_back() -> None:
    image = torch.rand(2, 3, 64, 64)

    seen = seen_through(Views(flips=True), brightness, image)

    torch.testing.assert_close(seen, brightness(image, 1))


def test_a_side_that_a_network_prefers_cancels_out() -> None:
    seen = seen_through(Views(flips=True), from_the_left, torch.zeros(1, 3, 64, 64))

    torch.testing.assert_close(seen, torch.zeros(1, 1, 64, 64))


def test_each_view_is_seen_at_its_scale_and_all_weigh_alike() -> None:
    image = torch.rand(2, 3, 64, 64)
    asked: list[float] = []

    def see(image: Tensor, scale: float) -> Tensor:
        asked.append(scale)
        return torch.logit(brightness(image, scale) / scale)

    seen = seen_through(Views(flips=True, scales=(1.0, 2.0)), see, image)

    assert asked == [1.0, 1.0, 2.0, 2.0]
    torch.testing.assert_close(seen.sigmoid(), brightness(image, 1) * 0.75)


def test_one_view_that_is_very_sure_does_not_outvote_the_others() -> None:
    def see(image: Tensor, scale: float) -> Tensor:
        return torch.full((1, 1, 32, 32), 90.0 if scale == 1 else -2.0)

    seen = seen_through(Views(scales=(1.0, 1.5, 2.0)), see, torch.zeros(1, 3, 32, 32))

    assert (seen < 0).all()
    torch.testing.assert_close(seen.sigmoid().mean(), (1 + 2 * torch.tensor(-2.0).sigmoid()) / 3)


@pytest.mark.parametrize("sure", [-80.0, 80.0])
def test_certainty_keeps_its_digits(sure: float) -> None:
    def see(image: Tensor, scale: float) -> Tensor:
        return torch.full((1, 1, 32, 32), sure * scale)

    seen = seen_through(Views(scales=(1.0, 1.25)), see, torch.zeros(1, 3, 32, 32))

    assert seen.isfinite().all()
    # exp(-80) and exp(-100): the likelier of the two is halved.
    torch.testing.assert_close(seen.abs().mean(), 80 + torch.tensor(2.0).log())


@pytest.mark.parametrize("scales", [(), (1.0, 1.0), (0.1,), (5.0,), (float("nan"),)])
def test_scales_that_mean_nothing_are_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(SettingsError, match="--scales"):
        Views(scales=scales)


def test_a_view_is_told_in_words_and_counted() -> None:
    views = Views(flips=True, scales=(1.0, 1.25))

    assert (views.count, views.words()) == (4, "flip, scales 1 1.25")
    assert Views(closer=True).words() == "closer look"
    assert Views(flips=True, closer=True).count == 4
