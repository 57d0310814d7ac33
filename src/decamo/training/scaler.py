"""Loss scaling for float16 with a floor.

torch's GradScaler halves its scale at each non-finite step without end: after 166 of them the scale
underflows to zero, gradients are divided by zero, and the next good step destroys the weights.
"""

from typing import Any

import torch

__all__ = ["FLOOR", "GuardedScaler"]

FLOOR = 1.0  # at scale 1 nothing is gained by scaling; what overflows there is truly not finite


class GuardedScaler:
    """A gradient scaler that never falls below :data:`FLOOR`; without float16 it does nothing."""

    def __init__(self, device: torch.device, enabled: bool) -> None:
        self._device = device.type
        self._scaler = torch.amp.GradScaler(self._device, enabled=enabled)

    def scale(self, loss: torch.Tensor) -> torch.Tensor:
        """The loss times the scale."""
        return self._scaler.scale(loss)

    def unscale(self, optimiser: torch.optim.Optimizer) -> None:
        """Divide the optimiser's gradients by the scale."""
        self._scaler.unscale_(optimiser)

    def step(self, optimiser: torch.optim.Optimizer, finite: bool) -> None:
        """Update the weights where the gradient is finite, and adapt the scale."""
        if self._scaler.is_enabled():
            self._scaler.step(optimiser)
            self._scaler.update()
            if self._scaler.get_scale() < FLOOR:
                self._scaler.update(new_scale=FLOOR)
        elif finite:
            optimiser.step()

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return self._scaler.state_dict()

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state`; a state from a run without float16 is passed over.

        A step that broke off half-way is forgotten.
        """
        if state and self._scaler.is_enabled():
            self._scaler = torch.amp.GradScaler(self._device)
            self._scaler.load_state_dict(state)
