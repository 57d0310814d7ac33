"""What the trainer asks of a network: one pass, what it says, and which parameters learn."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

__all__ = [
    "Architecture",
    "NetworkOutput",
    "SegmentationNetwork",
    "TorchModule",
    "let_learn",
    "normalized",
]


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


def let_learn(groups: Mapping[str, Mapping[str, nn.Parameter]], learning: Collection[str]) -> None:
    """Let exactly the groups named learn, in place; on an error nothing is changed.

    Args:
        groups: all of a network's, each with its parameters by name.
        learning: names of those that learn.

    Raises:
        ValueError: there is no such group.
    """
    if unknown := set(learning) - groups.keys():
        raise ValueError(f"no parameter group {sorted(unknown)}; there are {list(groups)}")
    for name, parameters in groups.items():
        for parameter in parameters.values():
            parameter.requires_grad_(name in learning)


Architecture = dict[str, str | int | float | list[float] | list[str]]
"""Plain values that describe a network in a checkpoint; never code."""


def normalized(image: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Uint8 RGB ``[B,3,H,W]`` -> float32 of about zero mean and unit deviation.

    Args:
        image: uint8 in [0,255].
        mean: of the channels in [0,1], ``[3,1,1]``.
        std: their standard deviation, alike.

    Raises:
        TypeError: the image is not uint8, so it may have been scaled before.
    """
    if image.dtype != torch.uint8:
        raise TypeError(f"normalize takes uint8 in [0,255], got {image.dtype}")
    return (image.float() / 255 - mean) / std


class TorchModule(Protocol):
    """The part of ``torch.nn.Module`` that is used of a network; every module has it."""

    training: bool

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Forward."""

    def train(self, mode: bool = True) -> Self:
        """Training mode, or evaluation mode."""

    def eval(self) -> Self:
        """Evaluation mode."""

    def to(self, device: torch.device, /) -> Self:
        """Move it."""

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let all parameters learn, or none."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All parameters with their names."""

    def buffers(self) -> Iterator[Tensor]:
        """All buffers."""

    def modules(self) -> Iterator[nn.Module]:
        """It and all modules in it."""

    def state_dict(self) -> dict[str, Any]:
        """Parameters and buffers by name."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """The inverse of :meth:`state_dict`."""

    def register_forward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook`` after each forward pass."""


@runtime_checkable
class SegmentationNetwork(TorchModule, Protocol):
    """A network that can be trained, resumed, raced, measured and shipped.

    :class:`decamo.nn.Segmenter` is our own; :class:`decamo.nn.foreign.ForeignNetwork` makes one of
    any module that gives logits. The forward pass takes ``(image, side_outputs=False, scale=1.0)``
    and gives a :class:`NetworkOutput`.

    Attributes:
        architecture: plain values by which a checkpoint tells one network from another.
        gradient_checkpointing: whether activations are recomputed in the backward pass.
        gives_sides: whether it has side outputs, for deep supervision.
        gives_auxiliary: whether it returns a loss of its own while it trains.
        title: what it is, in a few words for people.
    """

    architecture: Architecture

    @property
    def gradient_checkpointing(self) -> bool:
        """Whether activations are recomputed in the backward pass."""

    @gradient_checkpointing.setter
    def gradient_checkpointing(self, enable: bool) -> None: ...

    @property
    def gives_sides(self) -> bool:
        """Whether it has side outputs."""

    @property
    def gives_auxiliary(self) -> bool:
        """Whether it returns a loss of its own in training mode."""

    @property
    def title(self) -> str:
        """What it is, such as ``edgenext_base with 7 experts a level``."""

    def notes(self) -> list[str]:
        """Lines that a person who trains it should read."""

    def __call__(
        self, image: Tensor, side_outputs: bool = False, scale: float = 1.0
    ) -> NetworkOutput:
        """Predict.

        Args:
            image: float32 ``[B,3,H,W]``, from :meth:`normalize`.
            side_outputs: also give side outputs, where it has them.
            scale: at which it sees the image; the logits keep the image's size.
        """

    def normalize(self, image: Tensor) -> Tensor:
        """Uint8 RGB ``[B,3,H,W]`` -> float32 as the network takes it."""

    def groups(self) -> dict[str, dict[str, nn.Parameter]]:
        """Parameters by group: ``head``, and ``backbone.0`` (shallowest) to ``backbone.3``.

        Names are those of ``named_parameters``; each parameter is in exactly one group, and a group
        may be empty.
        """

    def set_learning(self, groups: Collection[str]) -> None:
        """Let exactly these groups learn.

        Raises:
            ValueError: there is no such group.
        """

    def check_size(self, size: int, scale: float = 1.0) -> None:
        """Look whether it takes square images of ``size`` px at ``scale``.

        Raises:
            ModelError: it does not.
        """

    def backbone_norms(self) -> list[_BatchNorm]:
        """BatchNorm layers of the backbone that keep running statistics."""

    def usage(self) -> Tensor:
        """Running average of the gates, float32 ``[levels,E]``; empty where it has no experts."""

    def follow_usage(self, gates: Tensor) -> None:
        """Move the running averages towards a step's mean gates, float32 ``[levels,E]``."""
