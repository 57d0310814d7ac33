import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decamo.errors import ModelError
from decamo.nn import STRIDES
from decamo.nn.experts import (
    KINDS,
    Contrast,
    Edges,
    FrequencySplit,
    GlobalContext,
    LocalTexture,
    Strips,
    local_mean,
    make_expert,
)
from decamo.settings import expert_names
from decamo.settings.expert_names import expert_name, expert_turns
from decamo.settings.words import level_name

WIDTH = 4


def make(index: int, width: int) -> nn.Module:
    """The expert of an index among the built-in kinds in turn."""
    return make_expert(*expert_turns((), index + 1)[index], width)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("index", range(28))
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (12, 12)])
def test_every_expert_keeps_the_shape_down_to_one_position(
    index: int, size: tuple[int, int]
) -> None:
    x = noise(2, WIDTH, *size).requires_grad_()
    y = make(index, WIDTH)(x)
    assert y.shape == x.shape
    y.square().sum().backward()
    assert y.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_the_first_seven_are_seven_kinds_and_no_two_of_28_agree() -> None:
    assert len(KINDS) == 7
    described = {repr(make(i, WIDTH)) + str(getattr(make(i, WIDTH), "cell", "")) for i in range(28)}
    assert len(described) == 28
    scales = [noise(1, WIDTH, n, n, seed=n) for n in (96, 48, 24, 12, 6, 3)]  # as in photographs
    x = sum(F.interpolate(s, size=96) for s in scales)
    assert isinstance(x, Tensor)
    torch.manual_seed(0)
    maps = torch.stack([make(i, WIDTH)(x)[0] for i in range(28)]).detach()
    answers = (maps - maps.mean((2, 3), keepdim=True)).flatten(1)  # a constant says nothing
    nearest = (F.normalize(answers, dim=1) @ F.normalize(answers, dim=1).T).abs().fill_diagonal_(0)
    assert nearest[:7, :7].max() < 0.6
    assert nearest.max() < 0.95


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize("kind", [0, 5, 6])
def test_the_view_grows_with_each_turn(kind: int, turn: int) -> None:
    """How far from a position its answer still depends on the input."""

    def reach(index: int) -> int:
        x = torch.zeros(1, WIDTH, 65, 65, requires_grad=True)
        make(index, WIDTH)(x)[0, :, 32, 32].sum().backward()
        assert x.grad is not None
        rows = x.grad.abs().sum((0, 1)).nonzero() - 32
        return int(rows.abs().max())

    assert reach(7 * (turn + 1) + kind) > reach(7 * turn + kind)


@pytest.mark.parametrize("cell", [2, 4, 16])
@pytest.mark.parametrize("size", [(1, 1), (5, 9), (16, 16), (22, 44)])
def test_the_local_mean_of_a_constant_is_itself(cell: int, size: tuple[int, int]) -> None:
    x = torch.full((1, 2, *size), 3.0)
    assert torch.allclose(local_mean(x, cell), x)


def test_the_local_mean_of_a_small_map_is_its_mean() -> None:
    x = noise(1, 2, 12, 12)
    assert torch.allclose(local_mean(x, 32), x.mean((2, 3), keepdim=True), atol=1e-6)


def test_the_local_mean_follows_a_ramp_and_flattens_a_checkerboard() -> None:
    ramp = torch.arange(64.0).expand(1, 1, 64, 64)
    inner = slice(16, -16)
    assert torch.allclose(local_mean(ramp, 4)[..., inner], ramp[..., inner], atol=1e-4)
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2.0 - 1
    assert local_mean(board[None, None], 4).abs().max() < 1e-6


def test_contrast_is_blind_to_brightness_and_nearly_to_gain() -> None:
    x = 10 * noise(1, WIDTH, 32, 32)
    contrast = Contrast(WIDTH, cell=4)
    assert torch.allclose(contrast(x + 5), contrast(x), atol=1e-4)
    assert torch.allclose(contrast(3 * x), contrast(x), rtol=0.05, atol=0.02)
    assert contrast(torch.ones_like(x)).abs().max() < 1e-5


def test_edges_start_as_the_gradient_of_a_ramp() -> None:
    x = 0.5 * torch.arange(16.0).expand(1, WIDTH, 16, 16)
    answer = Edges(WIDTH, dilation=1)(x)
    # Sobel over 4 adds up 2 * slope from the rows 1-2-1: central difference of two steps
    assert torch.allclose(answer[..., 1:-1, 1:-1], torch.tensor(1.0))


def test_the_frequency_split_tells_a_plain_from_a_checkerboard() -> None:
    split = FrequencySplit(WIDTH, cell=2)
    with torch.no_grad():
        split.mix.weight.copy_(torch.eye(WIDTH)[..., None, None])
        torch.nn.init.zeros_(split.mix.bias)  # type: ignore[arg-type]
    gelu_of_1 = 0.5 * (1 + math.erf(2**-0.5))
    board = ((torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1).expand(1, WIDTH, 16, 16)
    plain = torch.ones(1, WIDTH, 16, 16)
    low, high = split(plain).chunk(2, dim=1)
    assert torch.allclose(low, torch.tensor(gelu_of_1))
    assert high.abs().max() < 1e-6
    inner = split(board)[..., 3:-3, 3:-3]  # a window cut by the border sees one colour more
    low, high = inner.chunk(2, dim=1)
    assert low.abs().max() < 1e-6
    assert torch.allclose(high, torch.tensor(gelu_of_1))


def test_global_context_hears_the_far_corner_and_ignores_where_it_is() -> None:
    context = GlobalContext(WIDTH, slots=3)
    x = noise(1, WIDTH, 8, 8)
    y = x.clone()
    y[..., 7, 7] += 3
    assert (context(y)[..., 0, 0] - context(x)[..., 0, 0]).abs().max() > 1e-3
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    shuffled = x.flatten(2)[..., order].view_as(x)
    expected = context(x).flatten(2)[..., order].view_as(x)
    assert torch.allclose(context(shuffled), expected, atol=1e-5)


def test_every_kind_has_a_name_that_fits() -> None:
    made = {
        "texture": LocalTexture,
        "global context": GlobalContext,
        "contrast": Contrast,
        "frequency": FrequencySplit,
        "edges": Edges,
        "wide texture": LocalTexture,
        "strips": Strips,
    }
    assert len(KINDS) == len(made)
    for index in range(14):
        kind = expert_name(index).split(", scale")[0]
        assert type(make(index, 4)) is made[kind]


def test_levels_are_named_by_the_strides_of_the_pyramid() -> None:
    assert [level_name(n) for n in range(len(STRIDES))] == [f"stride {s}" for s in STRIDES]


@pytest.mark.parametrize(
    ("build", "got"),
    [
        (lambda d: nn.Conv2d(d, d // 2, 1), r"\(1, 4, 8, 8\)"),
        (lambda d: nn.AvgPool2d(2), r"\(1, 8, 4, 4\)"),
        (lambda d: lambda x: x, "function"),
    ],
)
def test_a_registered_expert_that_changes_the_shape_is_refused_at_once(
    build: Callable[[int], Any], got: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expert_names, "_REGISTERED", {"odd": build})
    with pytest.raises(ModelError, match=f"expert 'odd': gives {got} for a map of"):
        make_expert("odd", 0, 8)


def test_trying_a_registered_expert_draws_no_random_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expert_names, "_REGISTERED", {"noisy": lambda d: nn.Dropout()})
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    make_expert("noisy", 0, 8)
    assert torch.equal(torch.rand(3), expected)
