"""Where each expert fires, and how a network deals images out to its experts.

Watched while the network predicts, so that what is seen is what was predicted from.

Two things look alike in the running average of the gates and are not: that each image is served by
few experts, and that few experts serve all images. The entropy of an image's gates tells the first,
the entropy of the mean gates the second.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from decamo.nn.experts import Mixture
from decamo.nn.segmentation_network import NetworkOutput, TorchModule

__all__ = [
    "ActivationRecorder",
    "Firing",
    "GateRecorder",
    "Routing",
    "contributions",
    "entropy_share",
    "routing_of",
]

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
    """Watches the mixtures within the block: ``with ActivationRecorder(model) as watch:``.

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
    """Keeps each forward pass's gates within the block: ``with GateRecorder(model) as heard:``.

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
