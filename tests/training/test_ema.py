import pytest
import torch

from decamo.nn import Segmenter, build_segmenter
from decamo.settings import ModelSettings
from decamo.training.state import Ema, decay_at


@pytest.fixture
def model() -> Segmenter:
    settings = ModelSettings("test_efficientnet", num_experts=2, pretrained=False)
    return build_segmenter(settings, sizes=[32], seed=0)


@pytest.mark.parametrize(
    ("updates", "expected"), [(0, 0.1), (1, 2 / 11), (80, 0.9), (89, 90 / 99), (10**6, 0.999)]
)
def test_the_decay_warms_up(updates: int, expected: float) -> None:
    assert decay_at(updates, 0.999) == pytest.approx(expected)


def test_it_starts_as_the_model_and_follows_the_recursion(model: Segmenter) -> None:
    ema = Ema(model, 0.99)
    name, weight = next(iter(model.named_parameters()))
    expected = weight.detach().clone()
    torch.testing.assert_close(dict(ema.model.named_parameters())[name], weight, rtol=0, atol=0)
    for n in range(30):
        with torch.no_grad():
            weight.add_(1.0)
        ema.update(model)
        d = min(0.99, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * weight.detach()
    torch.testing.assert_close(dict(ema.model.named_parameters())[name], expected)


def test_right_from_the_first_epoch_the_initial_weights_have_little_say(model: Segmenter) -> None:
    """After 50 steps of an epoch a decay of 0.999 without warm-up would keep 95 % of them."""
    ema = Ema(model, 0.999)
    name, weight = next(iter(model.named_parameters()))
    with torch.no_grad():
        dict(ema.model.named_parameters())[name].fill_(1.0)
        weight.zero_()
    for _ in range(50):
        ema.update(model)
    assert float(dict(ema.model.named_parameters())[name].abs().max()) < 1e-6


def test_buffers_are_copied(model: Segmenter) -> None:
    ema = Ema(model, 0.999)
    model.follow_usage(torch.ones_like(model.usage()))
    assert not torch.equal(ema.model.usage(), model.usage())
    ema.update(model)
    assert torch.equal(ema.model.usage(), model.usage())


def test_state_round_trip(model: Segmenter) -> None:
    ema = Ema(model, 0.9)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    ema.update(model)
    other = Ema(model, 0.9)
    other.load(ema.state())
    assert other.updates == 1
    for a, b in zip(other.model.parameters(), ema.model.parameters(), strict=True):
        assert torch.equal(a, b)
