import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import product

import pytest
import torch
import torch.nn.functional as F

from benchmarks.host_waits import HostWaits
from decamo.data.dataset import Batch
from decamo.losses import Criterion
from decamo.losses.terms import _window
from decamo.nn import build_segmenter
from decamo.nn.experts import Mixture
from decamo.settings import ModelSettings
from decamo.training.optimizer_groups import build_optimizer
from decamo.training.runtime import Runtime
from decamo.training.state import Ema, GuardedScaler
from decamo.training.step import Stepper

CPU = torch.device("cpu")


def stepper(
    clip_grad: float = 0.0, ema: bool = False, experts: int = 2, device: torch.device = CPU
) -> Stepper:
    settings = ModelSettings("edgenext_xx_small", num_experts=experts, pretrained=False)
    model = build_segmenter(settings, sizes=[64], seed=3).to(device)
    optimizer = build_optimizer(model, 0.0)
    for group in optimizer.param_groups:
        group["lr"] = 1e-3
    return Stepper(
        model=model,
        # the balance of the experts looks at a running average, which each micro-batch moves
        criterion=Criterion(deep_supervision=True, weights={"balance": 0.0}),
        optimizer=optimizer,
        scaler=GuardedScaler(enabled=False),
        ema=Ema(model, 0.9) if ema else None,
        runtime=Runtime(device),
        clip_grad=clip_grad,
        side_outputs=True,
    )


def batches(sizes: Sequence[int]) -> list[Batch]:
    generator = torch.Generator().manual_seed(0)
    count = sum(sizes)
    image = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=generator)
    mask = (image[:, :1] > 128).to(torch.uint8)
    return [
        Batch(i, m, tuple("x" * len(i)))
        for i, m in zip(image.split(list(sizes)), mask.split(list(sizes)), strict=True)
    ]


def gradients(sizes: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    one = stepper()
    seen: list[torch.Tensor] = []

    def look(*_: object, **__: object) -> None:
        seen.extend(p.grad.clone() for p in one.model.parameters() if p.grad is not None)

    monkeypatch.setattr(one.optimizer, "step", look)
    one.step(batches(sizes), sum(sizes))
    return seen


@pytest.mark.parametrize("sizes", [(2, 2, 1), (1, 1, 1, 1, 1), (4, 0, 1)])
def test_micro_batches_of_any_size_give_the_gradient_of_one_batch(
    sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    together, apart = gradients((5,), monkeypatch), gradients(sizes, monkeypatch)
    assert len(together) == len(apart) > 50
    largest = max(float(g.abs().max()) for g in together)
    for a, b in zip(together, apart, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * largest)


def test_the_loss_told_is_the_mean_over_images() -> None:
    together, apart = stepper().step(batches((5,)), 5), stepper().step(batches((3, 2)), 5)
    assert together.loss == pytest.approx(apart.loss, rel=1e-5)
    assert together.loss == pytest.approx(sum(together.parts.values()))


def _plain_mixture(self: Mixture, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each expert alone: its own projections, one product with its gate, a sum."""
    gates, width, out = self.router(x), self.leave.shape[2], x
    for e, expert in enumerate(self.experts):
        own = slice(e * width, (e + 1) * width)
        entered = F.conv2d(x, self.enter.weight[own], self.enter.bias[own])  # type: ignore[index]
        left = F.conv2d(expert(entered), self.leave[:, e, :, None, None])
        out = out + gates[:, e, None, None, None] * left
    return out, gates


def _plain_weights(mask: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
    """F3Net's weights by a square window, in one go."""
    k = _window((mask.shape[-2] + mask.shape[-1]) / 2)
    mean = F.avg_pool2d(mask, k, 1, k // 2, count_include_pad=False)
    return 1 + 5 * (mean - mask).abs()


def test_what_makes_a_step_quick_moves_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seeds, written out plainly and as it is: the same losses within rounding."""

    def losses() -> list[float]:
        one = stepper(clip_grad=1.0, ema=True, experts=7)
        steps = [one.step(batches((2, 1)), 3) for _ in range(6)]
        return [number for step in steps for number in (step.loss, step.grad_norm)]

    quick = losses()
    monkeypatch.setattr(Mixture, "forward", _plain_mixture)
    monkeypatch.setattr("decamo.losses.criterion.pixel_weights", _plain_weights)
    plain = losses()
    assert quick == pytest.approx(plain, rel=2e-4)
    assert quick != plain  # another order of sums: the plain way did run
    assert quick[-2] < 0.95 * quick[0]


def waits(sizes: Sequence[int], experts: int, float16: bool = False) -> Counter[str]:
    one = stepper(clip_grad=1.0, ema=True, experts=experts)
    one.scaler = GuardedScaler(enabled=float16)
    one.step(batches((1,)), 1)  # the optimizer makes its moments
    counts = [moments["step"] for moments in one.optimizer.state.values()]  # on the host always
    with HostWaits(lambda: counts) as waits:
        one.step(batches(sizes), sum(sizes))
    return waits.found


FEW = [((1,), 2, False), ((3,), 2, True), ((1, 1, 1), 8, True)]


@pytest.mark.parametrize(
    ("sizes", "experts", "float16"),
    [*FEW, *(pytest.param(*one, marks=pytest.mark.long)
             for one in product(((1,), (3,), (1, 1, 1)), (2, 8), (False, True)) if one not in FEW)],
)  # fmt: skip
def test_a_step_waits_for_the_device_once_however_large(
    sizes: tuple[int, ...], experts: int, float16: bool
) -> None:
    found = waits(sizes, experts, float16)
    # timm's EdgeNeXt makes a mask on the host in each forward pass
    own = {kind: times for kind, times in found.items() if kind != "to in timm.models.edgenext"}
    assert own == {"tolist": 1}
    assert found["to in timm.models.edgenext"] == len(sizes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the device itself tells its waits")
def test_a_gpu_counts_the_same_waits() -> None:
    one = stepper(clip_grad=1.0, ema=True, device=torch.device("cuda"))
    pinned = [batch.pin_memory() for batch in batches((2, 2))]
    one.step(pinned, 4)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            one.step(pinned, 4)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    synchronising = [str(w.message) for w in told if "synchronizing" in str(w.message)]
    assert len(synchronising) == 1 + len(pinned), synchronising


def test_clipping_bounds_the_norm_and_tells_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = stepper(clip_grad=0.01)
    norms: list[float] = []

    def look(*_: object, **__: object) -> None:
        squares = [p.grad.square().sum() for p in one.model.parameters() if p.grad is not None]
        norms.append(float(torch.stack(squares).sum().sqrt()))

    monkeypatch.setattr(one.optimizer, "step", look)
    outcome = one.step(batches((2,)), 2)
    assert outcome.grad_norm > 0.01
    assert norms == [pytest.approx(0.01, rel=1e-3)]


def test_a_step_that_is_not_finite_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    one = stepper(ema=True)
    assert one.ema is not None
    before = [p.clone() for p in one.model.parameters()]
    next(one.model.parameters()).register_hook(lambda g: g * float("inf"))
    outcome = one.step(batches((2,)), 2)
    assert outcome.skipped
    assert all(torch.equal(a, b) for a, b in zip(before, one.model.parameters(), strict=True))
    assert one.ema.updates == 0
    assert all(p.grad is None for p in one.model.parameters())
