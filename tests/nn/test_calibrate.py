import pytest
import torch
from torch import Tensor

from decamo.errors import ModelError
from decamo.nn import calibrate_batchnorm, needs_calibration
from tests.nn.conftest import Make


def pixels(batch: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 3, 64, 64), dtype=torch.uint8, generator=generator)


def test_who_needs_it(make: Make) -> None:
    assert needs_calibration(make("mobilenetv2_035"))
    assert not needs_calibration(make("edgenext_xx_small"))


def test_the_first_norm_gets_the_average_over_batches(make: Make) -> None:
    """Oracle: the stem's output has no norm before it, so its statistics can be had directly."""
    segmenter = make()
    net = segmenter.backbone.net
    batches = [pixels(4, 0), pixels(4, 1), pixels(4, 2)]
    calibrate_batchnorm(segmenter, batches)
    with torch.no_grad():
        stems = [net.conv_stem(segmenter.normalize(b)) for b in batches]  # type: ignore[operator]
    mean = torch.stack([s.mean((0, 2, 3)) for s in stems]).mean(0)
    variance = torch.stack([s.var((0, 2, 3)) for s in stems]).mean(0)
    assert torch.allclose(net.state_dict()["bn1.running_mean"], mean, atol=1e-5)
    assert torch.allclose(net.state_dict()["bn1.running_var"], variance, rtol=1e-4)


def test_it_starts_afresh_changes_only_buffers_and_leaves_eval_mode(make: Make) -> None:
    segmenter = make()
    parameters = {n: p.clone() for n, p in segmenter.named_parameters()}
    generator = torch.get_rng_state()
    calibrate_batchnorm(segmenter, [pixels(2, 3)])
    calibrate_batchnorm(segmenter, [pixels(2, 0)])
    twice = {n: b.clone() for n, b in segmenter.named_buffers()}
    calibrate_batchnorm(segmenter, [pixels(2, 0)])
    assert all(torch.equal(b, twice[n]) for n, b in segmenter.named_buffers())
    assert all(torch.equal(p, parameters[n]) for n, p in segmenter.named_parameters())
    assert torch.equal(generator, torch.get_rng_state())
    assert not any(m.training for m in segmenter.backbone.modules())
    momenta = {m.momentum for m in segmenter.backbone.modules() if hasattr(m, "momentum")}
    assert None not in momenta


def test_features_are_of_sound_size_afterwards(make: Make) -> None:
    segmenter = make("mobilenetv2_100")
    calibrate_batchnorm(segmenter, [pixels(4, 0)])
    with torch.no_grad():
        deepest = segmenter.backbone(segmenter.normalize(pixels(4, 1)))[-1]
    assert 0.1 < float(deepest.std()) < 10


def test_no_batch_is_a_mistake(make: Make) -> None:
    with pytest.raises(ModelError, match="no image"):
        calibrate_batchnorm(make(), [])
