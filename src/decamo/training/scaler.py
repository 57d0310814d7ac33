"""Loss scaling for float16 with a floor, and without looking at the device.

torch's GradScaler halves its scale at each non-finite step without end: after 166 of them the scale
underflows to zero, gradients are divided by zero, and the next good step destroys the weights. It
also keeps the scale on the device and asks for it, and for what it found there, at each step,
though the norm of the gradient, which a step reads anyway, says the same. So the scale is a number
here.
"""

from collections.abc import Mapping

import torch

__all__ = ["FLOOR", "GuardedScaler"]

FLOOR = 1.0  # at scale 1 nothing is gained by scaling; what overflows there is truly not finite

# Those of torch.amp.GradScaler, under the names that its state has in checkpoints.
_FRESH: Mapping[str, float | int] = {
    "scale": 65536.0,
    "growth_factor": 2.0,
    "backoff_factor": 0.5,
    "growth_interval": 2000,
    "_growth_tracker": 0,
}


class GuardedScaler:
    """A gradient scaler that never falls below :data:`FLOOR`; without float16 it does nothing.

    Args:
        enabled: whether the forward pass is in float16.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._state = dict(_FRESH)

    def scale(self, loss: torch.Tensor) -> torch.Tensor:
        """The loss times the scale."""
        return loss * self._state["scale"] if self._enabled else loss

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the optimizer's gradients by the scale."""
        if self._enabled:
            every = [p.grad for group in optimizer.param_groups for p in group["params"]]
            gradients = [gradient for gradient in every if gradient is not None]
            if gradients:
                torch._foreach_mul_(gradients, 1 / self._state["scale"])

    def step(self, optimizer: torch.optim.Optimizer, finite: bool) -> None:
        """Update the weights where the gradient is finite, and adapt the scale."""
        if finite:
            optimizer.step()
        if self._enabled:
            self._adapt(finite)

    def _adapt(self, finite: bool) -> None:
        """Double the scale after many finite steps in a row, halve it after another."""
        state = self._state
        state["_growth_tracker"] = int(state["_growth_tracker"]) + 1 if finite else 0
        if not finite:
            state["scale"] = max(state["scale"] * state["backoff_factor"], FLOOR)
        elif state["_growth_tracker"] == state["growth_interval"]:
            grown = state["scale"] * state["growth_factor"]
            if grown <= torch.finfo(torch.float32).max:  # the loss has no larger number
                state["scale"] = grown
            state["_growth_tracker"] = 0

    def state(self) -> dict[str, float]:
        """Plain values for a checkpoint, named as torch's GradScaler names them."""
        return dict(self._state) if self._enabled else {}

    def load(self, state: Mapping[str, float]) -> None:
        """The inverse of :meth:`state`; a state from a run without float16 is passed over."""
        if state and self._enabled:
            self._state = {name: state[name] for name in _FRESH}
