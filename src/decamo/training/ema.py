"""Exponential moving average of the weights, right from the first step."""

import copy

import torch

from decamo.checkpoint import EmaWeights
from decamo.nn import SegmentationNetwork

__all__ = ["Ema", "decay_at"]


def decay_at(updates: int, decay: float) -> float:
    """Decay of the next update: ``min(decay, (1 + n) / (10 + n))`` after ``n`` updates.

    The warm-up of TensorFlow's ExponentialMovingAverage: a young average follows the weights
    closely, so that its start has no say left when the decay reaches its final value.
    """
    return min(decay, (1 + updates) / (10 + updates))


class Ema:
    """A second model that follows the first; it starts as an exact copy, loaded weights included.

    Args:
        model: the model to follow.
        decay: final decay per optimizer step, in [0, 1).
    """

    def __init__(self, model: SegmentationNetwork, decay: float) -> None:
        self.model: SegmentationNetwork = copy.deepcopy(model).eval()
        self.model.requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: SegmentationNetwork) -> None:
        """Move the average towards ``model``: parameters by the decay, buffers by copy."""
        share = 1 - decay_at(self.updates, self.decay)
        averaged: list[torch.Tensor] = list(self.model.parameters())
        current: list[torch.Tensor] = list(model.parameters())
        torch._foreach_lerp_(averaged, current, share)
        for mine, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)
        self.updates += 1

    def state(self) -> EmaWeights:
        """For a checkpoint."""
        return EmaWeights(self.model.state_dict(), self.updates)

    def load(self, state: EmaWeights) -> None:
        """The inverse of :meth:`state`."""
        self.model.load_state_dict(state.weights)
        self.updates = state.updates
