"""Where each expert fires: how strongly it moves the features of an image, place by place.

Watched while the network predicts, so that what is seen is what was predicted from.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from decamo.nn.mixture import Mixture
from decamo.nn.segmentation_network import TorchModule

__all__ = ["ActivationRecorder", "Firing", "contributions"]

# Norm of the features below which a position counts as empty; they are normalized to about 1 a
# channel, so that of 64 channels the norm is about 8.
_FLOOR = 1e-3


@dataclass(frozen=True)
class Firing:
    """What the experts did to one image.

    Attributes:
        strength: of each level, float32 ``[E,h,w]`` on the CPU, not negative: the Euclidean norm
            over channels of what the expert adds to the features (gated), as a share of the norm
            of the features it adds to. Additions of several experts may cancel, so that they need
            not sum to anything.
        gates: float32 ``[levels,E]`` on the CPU; each row sums to 1.
        names: of the experts.
    """

    strength: tuple[Tensor, ...]
    gates: Tensor
    names: tuple[str, ...]


def contributions(mixture: Mixture, seen: Sequence[Tensor], gates: Tensor) -> Iterator[Tensor]:
    """What each expert adds to the input of its mixture; with the input, they sum to the output.

    Args:
        mixture: the level.
        seen: what its experts returned, ``[B,d,h,w]`` each.
        gates: ``[B,E]``.

    Yields:
        float32 ``[B,C,h,w]``, one an expert: ``gate_e W_e expert_e(P_e x)``.
    """
    leave = mixture.leave.detach().float()
    for e, one in enumerate(seen):
        with torch.autocast(one.device.type, enabled=False):
            left = torch.einsum("cd,bdhw->bchw", leave[:, e], one.detach().float())
        yield gates[:, e, None, None, None].float() * left


class ActivationRecorder:
    """Watches the mixtures of a network within the block: ``with Watch(model) as watch:``.

    It costs time and memory as long as it watches, and changes nothing that is predicted.

    Args:
        model: holds a :class:`Mixture` for each level, run from the finest to the coarsest.
    """

    def __init__(self, model: TorchModule) -> None:
        self._levels = [_Level(m) for m in model.modules() if isinstance(m, Mixture)]

    def __enter__(self) -> Self:
        for level in self._levels:
            level.open()
        return self

    def __exit__(self, *_: object) -> None:
        for level in self._levels:
            level.close()

    def take(self) -> list[Firing]:
        """The images of the first forward pass since the last call, in order; the rest is dropped.

        Of a network without mixtures there is none.

        Raises:
            RuntimeError: there was no forward pass.
        """
        passes = [level.take() for level in self._levels]
        if not passes:
            return []
        if not all(passes):
            raise RuntimeError("no forward pass was watched")
        strength = [first[0].cpu() for first, *_ in passes]
        gates = torch.stack([first[1].float().cpu() for first, *_ in passes])
        return [
            Firing(tuple(level[n] for level in strength), gates[:, n], self._levels[0].names)
            for n in range(gates.shape[1])
        ]


class _Level:
    """One mixture, watched."""

    def __init__(self, mixture: Mixture) -> None:
        self._mixture, self.names = mixture, mixture.names
        self._seen: dict[int, Tensor] = {}
        self._passes: list[tuple[Tensor, Tensor]] = []
        self._handles: list[RemovableHandle] = []

    def open(self) -> None:
        hooks: list[tuple[nn.Module, Callable[..., None]]] = [
            (expert, partial(self._hear, e)) for e, expert in enumerate(self._mixture.experts)
        ]
        hooks.append((self._mixture, self._measure))
        self._handles = [module.register_forward_hook(hook) for module, hook in hooks]

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._seen.clear()

    def take(self) -> list[tuple[Tensor, Tensor]]:
        passes, self._passes = self._passes, []
        return passes

    def _hear(self, expert: int, _: nn.Module, __: object, said: Tensor) -> None:
        self._seen[expert] = said

    @torch.no_grad()
    def _measure(self, _: nn.Module, given: tuple[Tensor], said: tuple[Tensor, Tensor]) -> None:
        """Strength ``[B,E,h,w]`` and gates of a pass, kept; the features are let go."""
        gates = said[1].detach()
        norm = given[0].float().norm(dim=1).clamp_min(_FLOOR)
        parts = contributions(self._mixture, [self._seen[e] for e in sorted(self._seen)], gates)
        self._passes.append((torch.stack([p.norm(dim=1) / norm for p in parts], dim=1), gates))
        self._seen.clear()
