import torch

from decamo.nn.decoder import Lateral, LogitHead


def test_an_untrained_head_predicts_nothing() -> None:
    logits = LogitHead(64)(torch.randn(1, 64, 8, 8))
    assert logits.shape == (1, 1, 8, 8)
    assert (logits + 2).abs().max() < 1
    assert (logits < 0).all()


def test_the_lateral_takes_out_the_scale_of_the_backbone() -> None:
    lateral, x = Lateral(24, 64), torch.randn(2, 24, 8, 8)
    assert lateral(x).shape == (2, 64, 8, 8)
    assert torch.allclose(lateral(1000 * x), lateral(x), atol=1e-2)
    assert abs(float(lateral(x).detach().std()) - 1) < 0.05


def test_logits_are_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert LogitHead(64)(torch.randn(1, 64, 8, 8)).dtype == torch.float32
