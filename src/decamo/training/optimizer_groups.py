"""Parameter groups: all exist from step 0 and are keyed by name; freezing rebuilds nothing."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from decamo.errors import CheckpointMismatch
from decamo.nn import SegmentationNetwork
from decamo.nn.segmentation_network import TorchModule
from decamo.nn.weights import named
from decamo.schedule import Plan

__all__ = ["apply_lr", "build_optimizer", "load_optimizer_state", "optimizer_state"]

# Loshchilov & Hutter 2019 (arXiv:1711.05101), with torch's own defaults for the moments.
_BETAS = (0.9, 0.999)
_MOMENTS = ("exp_avg", "exp_avg_sq")
_FUSED = ("cpu", "cuda")


def build_optimizer(model: SegmentationNetwork, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over every parameter of the model, frozen or not.

    Each of the model's groups makes two of the optimizer's: matrices and kernels decay, vectors
    (biases, norms, a number for each channel in any shape) do not. Both carry ``name``, by which
    :func:`apply_lr` finds them. Parameters without a gradient are passed over by AdamW, their
    decay too. A group is updated by one kernel, whose step counts lie where the parameters do.
    """
    groups: list[dict[str, Any]] = []
    for name, parameters in model.groups().items():
        kernels = [p for p in parameters.values() if _is_kernel(p)]
        vectors = [p for p in parameters.values() if not _is_kernel(p)]
        for members, decay in ((kernels, weight_decay), (vectors, 0.0)):
            if members:
                groups.append({"params": members, "name": name, "weight_decay": decay})
    fused = _fits_one_kernel(model)
    return torch.optim.AdamW(groups, lr=0.0, betas=_BETAS, fused=fused)


def _fits_one_kernel(model: TorchModule) -> bool:
    """Whether torch's kernel takes every parameter: numbers with a point, without gaps."""
    return all(
        p.is_floating_point() and p.device.type in _FUSED and _without_gaps(p)
        for p in model.parameters()
    )


def _without_gaps(parameter: nn.Parameter) -> bool:
    """Then gradient and moments lie in memory as it does, number by number."""
    if parameter.is_contiguous():
        return True
    return parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)


def _is_kernel(parameter: nn.Parameter) -> bool:
    return parameter.ndim in (2, 4) or parameter.squeeze().ndim > 1


def apply_lr(optimizer: torch.optim.Optimizer, plan: Plan, step: int) -> dict[str, float]:
    """Give each group the learning rate that the plan has for absolute ``step``.

    Returns:
        group name -> learning rate; 0 while frozen.
    """
    rates = {name: plan.lr(step, name) for name in plan.ratios}
    for group in optimizer.param_groups:
        group["lr"] = rates[group["name"]]
    return rates


def optimizer_state(model: TorchModule, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Adam's moments and step counts by parameter name; what never learned has none."""
    return {
        name: dict(optimizer.state[parameter])
        for name, parameter in model.named_parameters()
        if parameter in optimizer.state
    }


def load_optimizer_state(
    model: TorchModule,
    optimizer: torch.optim.Optimizer,
    state: Mapping[str, Any],
    what: object = "--resume-from",
) -> tuple[str, ...]:
    """The inverse of :func:`optimizer_state`; on an error the optimizer is unchanged.

    Args:
        model: whose parameters the optimizer has.
        optimizer: changed in place.
        state: parameter name -> its moments.
        what: the file or flag that the state came by, for the error.

    Returns:
        names of parameters without moments in ``state``: what was frozen, or had no say in the
        loss, so far. Adam starts them anew.

    Raises:
        CheckpointMismatch: names up to five parameters that the network lacks (one renamed is
            such a one), or whose moments do not fit.
    """
    own = dict(model.named_parameters())
    without = tuple(name for name in own if name not in state)
    if unknown := [name for name in state if name not in own]:
        anew = f", which has no moments for {named(without)}" if without else ""
        raise _misfit(what, f"moments of {named(unknown)}, unknown to the network{anew}")
    if misfit := [name for name, moments in state.items() if not _fits(moments, own[name])]:
        raise _misfit(what, f"moments that do not fit {named(misfit)}")
    fused = bool(optimizer.defaults.get("fused"))
    for name, moments in state.items():
        optimizer.state[own[name]] = {
            key: _count(value, own[name], fused) if key == "step" else _placed(value, own[name])
            for key, value in moments.items()
        }
    return without


def _fits(moments: Mapping[str, Any], parameter: nn.Parameter) -> bool:
    """Whether these are AdamW's: a count, and two tensors of the parameter's shape."""
    count = moments.get("step")
    shapes = [getattr(moments.get(key), "shape", None) for key in _MOMENTS]
    counted = isinstance(count, int | float) or getattr(count, "shape", None) == ()
    return counted and shapes == [parameter.shape] * 2 and set(moments) == {"step", *_MOMENTS}


def _misfit(what: object, got: str) -> CheckpointMismatch:
    return CheckpointMismatch(
        what, f"it holds {got}", "give --reset-moments to go on with fresh ones"
    )


def _count(value: Any, parameter: nn.Parameter, fused: bool) -> Tensor:
    """A step count of its own, since torch counts in place, where torch looks for it."""
    device = parameter.device if fused else "cpu"
    return torch.as_tensor(value, dtype=torch.float32).to(device, copy=True)


def _placed(value: Tensor, parameter: nn.Parameter) -> Tensor:
    """A copy that lies in memory as the parameter does: the kernel walks over both alike."""
    return torch.empty_like(parameter, requires_grad=False).copy_(value)
