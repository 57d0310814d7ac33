from typing import Any

import pytest
import torch
from torch import nn

from decamo.errors import CheckpointMismatch
from decamo.nn import Segmenter, build_segmenter
from decamo.schedule import Segment, SegmentKind, plan_of
from decamo.settings import ModelSettings, ScheduleSettings
from decamo.training.optimizer_groups import (
    apply_lr,
    build_optimizer,
    load_optimizer_state,
    optimizer_state,
)


@pytest.fixture
def model() -> Segmenter:
    settings = ModelSettings("test_efficientnet", num_experts=2, pretrained=False)
    return build_segmenter(settings, sizes=[32], seed=0)


def test_every_parameter_is_in_one_group_and_only_kernels_decay(model: Segmenter) -> None:
    optimizer = build_optimizer(model, 0.05)
    members = [p for g in optimizer.param_groups for p in g["params"]]
    assert {id(p) for p in members} == {id(p) for p in model.parameters()}
    assert len(members) == len(list(model.parameters()))
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (
                0.05 if sum(s > 1 for s in parameter.shape) > 1 or parameter.ndim == 4 else 0.0
            )


def test_rates_are_those_of_the_plan(model: Segmenter) -> None:
    plan = plan_of(
        Segment(SegmentKind.START, 0, 0, 0, 0, ScheduleSettings(epochs=4, stage1_epochs=1), 80)
    )
    optimizer = build_optimizer(model, 0.0)
    for step in (0, 10, 25, 39):
        rates = apply_lr(optimizer, plan, step)
        for group in optimizer.param_groups:
            assert group["lr"] == plan.lr(step, group["name"]) == rates[group["name"]]


def test_moments_go_by_name_not_by_position(model: Segmenter) -> None:
    optimizer = build_optimizer(model, 0.0)
    for i, parameter in enumerate(model.parameters()):
        parameter.grad = torch.full_like(parameter, float(i + 1))
    optimizer.step()
    state = optimizer_state(model, optimizer)
    shuffled = dict(reversed(state.items()))
    del shuffled["head.conv.weight" if "head.conv.weight" in shuffled else next(iter(shuffled))]
    other = build_optimizer(model, 0.0)
    load_optimizer_state(model, other, shuffled)
    for name, parameter in model.named_parameters():
        if name in shuffled:
            assert torch.equal(other.state[parameter]["exp_avg"], state[name]["exp_avg"])
        else:
            assert parameter not in other.state


def test_loaded_moments_are_copies(model: Segmenter) -> None:
    optimizer = build_optimizer(model, 0.0)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    state = optimizer_state(model, optimizer)
    other = build_optimizer(model, 0.0)
    load_optimizer_state(model, other, state)
    name, parameter = next(iter(model.named_parameters()))
    other.state[parameter]["exp_avg"].zero_()
    assert float(state[name]["exp_avg"].abs().max()) > 0
    other.step()  # AdamW counts in place
    assert {float(moments["step"]) for moments in state.values()} == {1}


def learned(model: Segmenter) -> dict[str, Any]:
    """Moments of every parameter after one step."""
    optimizer = build_optimizer(model, 0.0)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer_state(model, optimizer)


class TestMomentsThatDoNotFit:
    def refused(self, model: Segmenter, state: dict[str, Any]) -> CheckpointMismatch:
        optimizer = build_optimizer(model, 0.0)
        with pytest.raises(CheckpointMismatch) as caught:
            load_optimizer_state(model, optimizer, state, "last.pth")
        assert len(optimizer.state) == 0
        assert caught.value.what == "last.pth"
        assert "--reset-moments" in caught.value.remedy
        return caught.value

    def test_of_a_renamed_parameter_are_named_with_what_may_be_its_new_name(
        self, model: Segmenter
    ) -> None:
        state = learned(model)
        name = next(iter(state))
        state["earlier.weight"] = state.pop(name)

        error = self.refused(model, state)

        assert "earlier.weight, unknown to the network" in error.got
        assert f"has no moments for {name}" in error.got

    def test_of_an_extra_parameter_are_named(self, model: Segmenter) -> None:
        state = learned(model)
        state |= {f"extra.{i}": next(iter(state.values())) for i in range(7)}

        error = self.refused(model, state)

        assert "extra.0, extra.1, extra.2, extra.3, extra.4 and 2 more" in error.got
        assert "no moments for" not in error.got

    @pytest.mark.parametrize("moments", ["shape", "missing", "more", "no count", "no tensor"])
    def test_of_another_shape_or_kind_are_named(self, model: Segmenter, moments: str) -> None:
        state = learned(model)
        name = list(state)[3]
        changed = dict(state[name])
        if moments == "shape":
            changed["exp_avg"] = torch.zeros(1, 2, 3, 4, 5)
        elif moments == "missing":
            del changed["exp_avg_sq"]
        elif moments == "more":
            changed["max_exp_avg_sq"] = changed["exp_avg_sq"]
        elif moments == "no count":
            changed["step"] = torch.zeros(3)
        else:
            changed["exp_avg"] = 0.5
        state[name] = changed

        assert f"do not fit {name}" in self.refused(model, state).got


def test_missing_moments_start_anew_and_are_named(model: Segmenter) -> None:
    # A group that was frozen so far has none: no mistake.
    state = learned(model)
    frozen = [name for name in state if name.startswith("backbone.")]
    for name in frozen:
        del state[name]
    optimizer = build_optimizer(model, 0.0)

    assert list(load_optimizer_state(model, optimizer, state)) == frozen
    assert len(optimizer.state) == len(state)


def test_a_whole_state_leaves_none_without(model: Segmenter) -> None:
    assert load_optimizer_state(model, build_optimizer(model, 0.0), learned(model)) == ()


def test_one_kernel_finds_counts_and_moments_where_its_parameters_are() -> None:
    """As torch's loop has it, and also where moments lie otherwise, or counts are plain numbers."""
    settings = ModelSettings("test_efficientnet", num_experts=2, pretrained=False)
    fused, loop = (build_segmenter(settings, sizes=[32], seed=0) for _ in range(2))
    one, other = build_optimizer(fused, 0.01), build_optimizer(loop, 0.01)
    assert one.defaults["fused"]
    for group in other.param_groups:
        group["fused"] = False
    state = {}
    for name, p in loop.named_parameters():
        moments = {"exp_avg": torch.rand_like(p), "exp_avg_sq": torch.rand_like(p)}
        if p.ndim == 4:
            moments = {k: m.to(memory_format=torch.channels_last) for k, m in moments.items()}
        state[name] = {"step": 7, **moments}
    for model, optimizer in ((fused, one), (loop, other)):
        load_optimizer_state(model, optimizer, state)
        for p in model.parameters():
            p.grad = torch.linspace(-1, 1, p.numel()).view_as(p)
        for group in optimizer.param_groups:
            group["lr"] = 0.01
        optimizer.step()
    for p, same in zip(fused.parameters(), loop.parameters(), strict=True):
        torch.testing.assert_close(p, same, rtol=1e-5, atol=1e-7)
        assert one.state[p]["step"].device == p.device
        assert float(one.state[p]["step"]) == 8


def test_parameters_with_gaps_go_by_the_loop(model: Segmenter) -> None:
    wide = torch.rand(*model.head.conv.weight.shape[:2], 2, 2)
    model.head.conv.weight = nn.Parameter(wide[..., :1, :1])
    assert not model.head.conv.weight.is_contiguous()
    assert not build_optimizer(model, 0.0).defaults["fused"]
