from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from decamo.nn import Segmenter
from decamo.nn.expert_recorders import ActivationRecorder, Firing, contributions
from decamo.nn.experts import Mixture


def mixture() -> Mixture:
    """Nine experts, and a router that tells images apart."""
    made = Mixture(8, 9, 4)
    with torch.no_grad():
        made.router.score.weight.mul_(200)
    return made


class Levels(nn.Module):
    """Mixtures one behind the other, each at half the size of the one before."""

    def __init__(self, count: int = 2) -> None:
        super().__init__()
        self.mixtures = nn.ModuleList(mixture() for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        for level in self.mixtures:
            x = level(x)[0][..., ::2, ::2]
        return x


def test_with_the_input_the_contributions_sum_to_the_output() -> None:
    torch.manual_seed(0)
    level = mixture()
    seen: list[Tensor] = []
    for expert in level.experts:
        expert.register_forward_hook(lambda _, __, said: seen.append(said))
    x = torch.randn(2, 8, 12, 12)
    y, gates = level(x)
    parts = list(contributions(level, seen, gates))
    assert len(parts) == 9
    assert gates.std() > 0.01
    assert torch.allclose(x + sum(parts), y, atol=1e-5)


def test_strength_is_the_relative_change_when_one_expert_is_taken_out() -> None:
    """Oracle: silence one expert's way out, and see how far the output moves."""
    torch.manual_seed(1)
    model = Levels(1)
    level = model.mixtures[0]
    assert isinstance(level, Mixture)
    x = torch.randn(2, 8, 12, 12)
    with ActivationRecorder(model) as watch, torch.no_grad():
        model(x)
        found = watch.take()
        whole, gates = level(x)
        for e in (0, 1, 7):
            kept = level.leave[:, e].clone()
            level.leave[:, e] = 0
            moved = (level(x)[0] - whole).norm(dim=1) / x.norm(dim=1)
            level.leave[:, e] = kept
            for b in range(2):
                assert torch.allclose(found[b].strength[0][e], moved[b], atol=1e-4)
    assert torch.equal(torch.stack([f.gates[0] for f in found]), gates)


def test_watching_changes_nothing_and_ends_with_the_block(make: Callable[..., Segmenter]) -> None:
    image = torch.randn(2, 3, 64, 64)
    segmenter = make().eval()
    with torch.inference_mode():
        alone = segmenter(image)
        with ActivationRecorder(segmenter) as watch:
            watched = segmenter(image)
            one, two = watch.take()
            with pytest.raises(RuntimeError, match="no forward pass"):
                watch.take()
        segmenter(image)
        with pytest.raises(RuntimeError, match="no forward pass"):
            watch.take()
    assert torch.equal(alone.logits, watched.logits)
    assert torch.equal(torch.stack((one.gates, two.gates), dim=1), watched.gates)
    sides = [tuple(s.shape[1:]) for s in one.strength]
    assert sides == [(16, 16), (8, 8), (4, 4), (2, 2)]
    assert not any(torch.equal(a, b) for a, b in zip(one.strength, two.strength, strict=True))


def test_of_several_passes_the_first_counts() -> None:
    model = Levels()
    first, second = torch.randn(1, 8, 8, 8), torch.randn(1, 8, 8, 8)
    with ActivationRecorder(model) as watch, torch.no_grad():
        model(first)
        (alone,) = watch.take()
        model(first)
        model(second)
        (found,) = watch.take()
    assert torch.equal(found.strength[1], alone.strength[1])
    assert torch.equal(found.gates, alone.gates)


def test_half_precision_is_measured_in_full() -> None:
    """Features beyond the square root of float16's range: their norm would overflow."""
    torch.manual_seed(0)
    model = Levels(1)
    x = torch.randn(1, 8, 8, 8)
    with (
        ActivationRecorder(model) as watch,
        torch.no_grad(),
        torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        model(x)
        (half,) = watch.take()
    with ActivationRecorder(model) as watch, torch.no_grad():
        model(x)
        (full,) = watch.take()
    assert isinstance(half, Firing)
    assert half.strength[0].dtype == torch.float32
    assert torch.allclose(half.strength[0], full.strength[0], rtol=0.1, atol=0.02)


def test_without_mixtures_there_is_nothing_to_watch() -> None:
    with ActivationRecorder(nn.Identity()) as watch:
        assert watch.take() == []
