"""The sum that training minimises: named terms, each with its weight."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from decamo.losses.terms import (
    balance_loss,
    boundary_loss,
    pixel_loss,
    pixel_weights,
    region_loss,
    teaching_loss,
)
from decamo.nn import NetworkOutput
from decamo.settings.loss_weights import DEFAULT_LOSS_WEIGHTS

__all__ = ["Criterion", "Losses"]


@dataclass(frozen=True)
class Losses:
    """One batch's losses.

    Attributes:
        total: float32 scalar with gradient, the sum of ``parts``.
        parts: the weighted terms ``bce``, ``iou``, ``boundary``, ``side`` and ``balance``; with a
            teacher ``teacher`` as well, with a network's own loss ``auxiliary``.
    """

    total: Tensor
    parts: dict[str, Tensor]


class Criterion:
    """Weighted cross-entropy, IoU, outline, side outputs, balance of the experts, a teacher.

    Every term is a mean over images, so the trainer can weigh micro-batches by their size. All
    is computed in float32 (float64 stays), under autocast too.

    Args:
        deep_supervision: also compare the side outputs.
        weights: weight of each term; what is left out keeps its default.
        teacher: also compare with the logits of another network.
        void: value of pixels that are neither object nor ground; None: there are none.
        auxiliary: also add the loss that the network itself returns, where it does.

    Raises:
        ValueError: a weight has no term, or is negative.
    """

    def __init__(
        self,
        deep_supervision: bool,
        weights: Mapping[str, float] | None = None,
        teacher: bool = False,
        void: int | None = None,
        auxiliary: bool = False,
    ) -> None:
        self.void = void
        self.deep_supervision = deep_supervision
        self.weights = {**DEFAULT_LOSS_WEIGHTS, **(weights or {})}
        if unknown := self.weights.keys() - DEFAULT_LOSS_WEIGHTS.keys():
            raise ValueError(
                f"no loss term {sorted(unknown)}; there are {list(DEFAULT_LOSS_WEIGHTS)}"
            )
        if min(self.weights.values()) < 0:
            raise ValueError(f"a loss term has a negative weight: {self.weights}")
        if not teacher:
            del self.weights["teacher"]
        if not auxiliary:
            del self.weights["auxiliary"]

    def __call__(
        self, prediction: NetworkOutput, mask: Tensor, taught: Tensor | None = None
    ) -> Losses:
        """Compare a prediction with the truth.

        Args:
            prediction: with side outputs where deep supervision is on.
            mask: float ``[B,1,H,W]`` in {0,1}, at the size of the logits; pixels of the value that
                is void count in no term.
            taught: the teacher's logits ``[B,1,H,W]``, where there is one.

        Raises:
            ValueError: the shapes differ, side outputs are missing, or the teacher's logits are
                missing or have no place.
        """
        if mask.shape != prediction.logits.shape:
            raise ValueError(f"mask {tuple(mask.shape)}, logits {tuple(prediction.logits.shape)}")
        if self.deep_supervision and not prediction.side:
            raise ValueError("deep supervision needs a prediction made with side_outputs=True")
        if (taught is None) == ("teacher" in self.weights):
            raise ValueError("the criterion has a teacher exactly where its logits are given")
        with torch.autocast(mask.device.type, enabled=False):
            mask, known = _full_precision(mask), None
            if self.void is not None:
                known = (mask != self.void).to(mask)
                mask = mask * known
            terms = self._terms(prediction, mask, known)
            if taught is not None:
                logits = _full_precision(prediction.logits)
                terms["teacher"] = teaching_loss(logits, _full_precision(taught), known).mean()
            if "auxiliary" in self.weights:
                own = prediction.auxiliary
                terms["auxiliary"] = mask.new_zeros(()) if own is None else own.float()
            parts = {name: self.weights[name] * term for name, term in terms.items()}
            return Losses(torch.stack(list(parts.values())).sum(), parts)

    def _terms(
        self, prediction: NetworkOutput, mask: Tensor, known: Tensor | None
    ) -> dict[str, Tensor]:
        logits = _full_precision(prediction.logits)
        weights = pixel_weights(mask, known)
        side = prediction.side if self.deep_supervision else ()
        return {
            "bce": pixel_loss(logits, mask, weights).mean(),
            "iou": region_loss(logits, mask, weights).mean(),
            "boundary": self._boundary(logits, mask, known),
            "side": _side_loss([_full_precision(level) for level in side], mask, known),
            "balance": balance_loss(prediction.gates, prediction.usage)
            if prediction.gates.numel()
            else logits.new_zeros(()),
        }

    def _boundary(self, logits: Tensor, mask: Tensor, known: Tensor | None) -> Tensor:
        """Not computed where it weighs nothing: of all terms it alone takes time."""
        if not self.weights["boundary"]:
            return logits.new_zeros(())
        return boundary_loss(logits, mask, known).mean()


def _side_loss(side: list[Tensor], mask: Tensor, known: Tensor | None) -> Tensor:
    """Mean over levels of cross-entropy plus IoU against the mask's share of each cell.

    The share of what is known of a cell, which weighs by how much of it is.
    """
    if not side:
        return mask.new_zeros(())
    losses = []
    for logits in side:
        share, certain = F.interpolate(mask, size=logits.shape[-2:], mode="area"), None
        if known is not None:
            certain = F.interpolate(known, size=logits.shape[-2:], mode="area")
            share = share / certain.clamp_min(1e-6)
        weights = pixel_weights(share, certain)
        each = pixel_loss(logits, share, weights) + region_loss(logits, share, weights)
        losses.append(each.mean())
    return torch.stack(losses).mean()


def _full_precision(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
