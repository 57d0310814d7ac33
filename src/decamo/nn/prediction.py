"""What one forward pass of the network says."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["NetworkOutput"]


@dataclass(frozen=True)
class NetworkOutput:
    """The network's answer to one batch.

    Attributes:
        logits: float32 ``[B,1,H,W]`` at the input's size; a sigmoid makes probabilities of them.
        side: deep-supervision logits, float32 ``[B,1,H/s,W/s]`` for strides s = 8, 16, 32 (of a
            foreign network at any sizes); empty unless asked for.
        gates: float32 ``[levels,B,E]``, routing probabilities; each row sums to 1; no levels where
            there are no experts.
        usage: float32 ``[levels,E]``, running average of the gates; carries no gradient.
        auxiliary: scalar with gradient, a loss that the network itself returns; None for none.
    """

    logits: Tensor
    side: tuple[Tensor, ...]
    gates: Tensor
    usage: Tensor
    auxiliary: Tensor | None = None
