"""How a network deals images out to its experts: listened to, and told in a few numbers.

Two things look alike in the running average of the gates and are not: that each image is served by
few experts, and that few experts serve all images. The entropy of an image's gates tells the first,
the entropy of the mean gates the second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from decamo.nn.prediction import NetworkOutput
from decamo.nn.segmentation_network import TorchModule

__all__ = ["GateRecorder", "Routing", "entropy_share", "routing_of"]

_DIGITS = 6  # kept: a gate has no more in float32, and a journal is read by people


@dataclass(frozen=True)
class Routing:
    """What became of some images, a value or a row for each pyramid level; empty if of none.

    Attributes:
        gates: mean gate of each expert; a row sums to 1 but for rounding.
        entropy: mean over the images of the entropy of an image's gates, in [0, 1]: 0 where each
            image uses one expert, 1 where each uses all alike.
        balance: entropy of the mean gates, in [0, 1]: 0 where one expert serves all images, 1 where
            all are used alike over the images. Never below ``entropy``, as entropy is concave.
    """

    gates: tuple[tuple[float, ...], ...] = ()
    entropy: tuple[float, ...] = ()
    balance: tuple[float, ...] = ()


def entropy_share(gates: Tensor) -> Tensor:
    """Shannon entropy as a share of the highest there is, log E; 1 where there is one expert only.

    Args:
        gates: ``[..., E]``, rows sum to 1.

    Returns:
        ``[...]`` in [0, 1].
    """
    if gates.shape[-1] == 1:
        return torch.ones_like(gates[..., 0])
    return torch.special.entr(gates).sum(-1) / math.log(gates.shape[-1])


def routing_of(images: Sequence[Tensor]) -> Routing:
    """Join the gates of images, ``[levels, E]`` each, on the CPU."""
    if not images or not images[0].numel():  # no image, or a network without experts
        return Routing()
    gates = torch.stack(list(images)).double()
    mean = gates.mean(0)
    return Routing(
        gates=tuple(_rounded(row) for row in mean),
        entropy=_rounded(entropy_share(gates).mean(0)),
        balance=_rounded(entropy_share(mean)),
    )


class GateRecorder:
    """Keeps the gates of each forward pass within the block: ``with Listener(model) as heard:``.

    They stay on the device until asked for: listening never waits for it.

    Args:
        model: returns a :class:`NetworkOutput`.
    """

    def __init__(self, model: TorchModule) -> None:
        self._model = model
        self._passes: list[Tensor] = []
        self._handle: RemovableHandle | None = None

    def __enter__(self) -> Self:
        self._handle = self._model.register_forward_hook(self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            self._handle.remove()

    def __len__(self) -> int:
        """Forward passes so far."""
        return len(self._passes)

    def forget(self, first: int) -> None:
        """Drop the forward passes from that number on: what they belonged to was given up."""
        del self._passes[first:]

    def images(self) -> list[Tensor]:
        """Gates of each image heard, in order, float32 ``[levels, E]`` on the CPU."""
        if not self._passes:
            return []
        return list(torch.cat(self._passes, dim=1).float().cpu().unbind(1))

    def _hear(self, _: nn.Module, __: object, said: NetworkOutput) -> None:
        self._passes.append(said.gates.detach())


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(value, _DIGITS) for value in values.tolist())
