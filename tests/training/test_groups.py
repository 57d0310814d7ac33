import pytest
import torch

from decamo.nn import Segmenter, build_segmenter
from decamo.plan import Segment, plan_of
from decamo.settings import ModelSettings, ScheduleSettings
from decamo.training.groups import (
    build_optimiser,
    load_optimiser_state,
    optimiser_state,
    set_rates,
)


@pytest.fixture
def model() -> Segmenter:
    settings = ModelSettings("mobilenetv2_035", num_experts=2, pretrained=False)
    return build_segmenter(settings, sizes=[32], seed=0)


def test_every_parameter_is_in_one_group_and_only_kernels_decay(model: Segmenter) -> None:
    optimiser = build_optimiser(model, 0.05)
    members = [p for g in optimiser.param_groups for p in g["params"]]
    assert {id(p) for p in members} == {id(p) for p in model.parameters()}
    assert len(members) == len(list(model.parameters()))
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (
                0.05 if sum(s > 1 for s in parameter.shape) > 1 or parameter.ndim == 4 else 0.0
            )


def test_rates_are_those_of_the_plan(model: Segmenter) -> None:
    plan = plan_of(Segment("start", 0, 0, 0, 0, ScheduleSettings(epochs=4, stage1_epochs=1), 80))
    optimiser = build_optimiser(model, 0.0)
    for step in (0, 10, 25, 39):
        rates = set_rates(optimiser, plan, step)
        for group in optimiser.param_groups:
            assert group["lr"] == plan.lr(step, group["name"]) == rates[group["name"]]


def test_moments_go_by_name_not_by_position(model: Segmenter) -> None:
    optimiser = build_optimiser(model, 0.0)
    for i, parameter in enumerate(model.parameters()):
        parameter.grad = torch.full_like(parameter, float(i + 1))
    optimiser.step()
    state = optimiser_state(model, optimiser)
    shuffled = dict(reversed(state.items()))
    del shuffled["head.conv.weight" if "head.conv.weight" in shuffled else next(iter(shuffled))]
    other = build_optimiser(model, 0.0)
    load_optimiser_state(model, other, shuffled)
    for name, parameter in model.named_parameters():
        if name in shuffled:
            assert torch.equal(other.state[parameter]["exp_avg"], state[name]["exp_avg"])
        else:
            assert parameter not in other.state


def test_loaded_moments_are_copies(model: Segmenter) -> None:
    optimiser = build_optimiser(model, 0.0)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    state = optimiser_state(model, optimiser)
    other = build_optimiser(model, 0.0)
    load_optimiser_state(model, other, state)
    name, parameter = next(iter(model.named_parameters()))
    other.state[parameter]["exp_avg"].zero_()
    assert float(state[name]["exp_avg"].abs().max()) > 0
