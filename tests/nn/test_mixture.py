import pytest
import torch
from torch import nn

from decamo.nn.experts import Mixture
from decamo.settings import expert_names
from decamo.settings.expert_names import EXPERT_KINDS, register_expert


def test_it_is_the_input_plus_the_gated_experts() -> None:
    """Oracle: one expert after the other, by the formula."""
    torch.manual_seed(0)
    mixture = Mixture(width=8, num_experts=9, expert_width=4).eval()
    with torch.no_grad():
        mixture.router.score.weight.mul_(200)
    x = torch.randn(2, 8, 12, 12)
    y, gates = mixture(x)
    expected = x.clone()
    for b in range(2):
        for e, expert in enumerate(mixture.experts):
            rows = slice(4 * e, 4 * e + 4)
            assert mixture.enter.bias is not None
            entered = torch.einsum("oc,chw->ohw", mixture.enter.weight[rows, :, 0, 0], x[b])
            seen = expert((entered + mixture.enter.bias[rows, None, None])[None])[0]
            left = torch.einsum("od,dhw->ohw", mixture.leave[:, e], seen)
            expected[b] += gates[b, e] * left
    assert torch.allclose(y, expected, atol=1e-4)


def test_every_parameter_and_the_gates_learn() -> None:
    mixture = Mixture(width=8, num_experts=7, expert_width=4)
    y, gates = mixture(torch.randn(1, 8, 12, 12))
    gates.retain_grad()
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in mixture.parameters())
    assert gates.grad is not None
    assert (gates.grad != 0).all()


def test_another_kind_moves_nobody_else_s_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expert_names, "_REGISTERED", {})
    register_expert("pointwise", lambda d: nn.Conv2d(d, d, 1))
    torch.manual_seed(0)
    usual = Mixture(8, 7, 4)
    torch.manual_seed(0)
    more = Mixture(8, 8, 4, [*EXPERT_KINDS, "pointwise"])

    assert usual.names == more.names[:7]
    for one, other in zip(usual.experts, more.experts, strict=False):
        assert type(one) is type(other)
        assert [p.shape for p in one.parameters()] == [p.shape for p in other.parameters()]
    assert isinstance(more.experts[7], nn.Conv2d)
    assert more(torch.randn(2, 8, 6, 6))[0].shape == (2, 8, 6, 6)
