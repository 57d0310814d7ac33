"""Matrix products of training by oneDNN, where the library that torch takes for them is slow.

torch computes ``linear`` by MKL, which on processors that are not Intel's leaves the wide half of
their registers unused; oneDNN, which torch ships for convolutions, does not ask for the vendor.
docs/decisions/0039 has the times. Products differ by rounding alone.
"""

import functools
import platform
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from decamo.nn.layer_forms import layers_computing
from decamo.nn.segmentation_network import SegmentationNetwork, TorchModule
from decamo.nn.segmenter import Segmenter

__all__ = ["by_onednn", "laid_for_onednn", "onednn_is_faster"]

_LAST = torch.channels_last
_CPU_INFO = Path("/proc/cpuinfo")


@functools.cache
def onednn_is_faster() -> bool:
    """Whether products on this machine's processor are quicker by oneDNN.

    A property of the machine, not a measurement: a run that goes on computes as it began.
    """
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and "GenuineIntel" not in _vendor()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _vendor() -> str:
    """A text that names it: Windows says so itself, Linux in a file; others have no AVX-512."""
    try:
        return platform.processor() + _CPU_INFO.read_text("utf-8", "replace")[:4096]
    except OSError:
        return platform.processor()


def by_onednn(network: TorchModule, device: torch.device) -> AbstractContextManager[None]:
    """Within the block a network's products in float32 are oneDNN's where that is faster.

    The block must hold forward and backward pass: what gradient checkpointing computes again must
    be computed as it was.

    Args:
        network: whose layers, ``nn.Linear`` and convolutions of one position, are changed.
        device: that it computes on.
    """
    if device.type == "cpu" and onednn_is_faster():
        return layers_computing(network, _form_of)
    return nullcontext()


def laid_for_onednn(network: SegmentationNetwork, image: Tensor) -> Tensor:
    """The same image, with the channels of a pixel side by side where :func:`by_onednn` is faster.

    All that convolutions make of it then lies in the same way, so that 1x1 convolutions become
    products, and others are spared turning what they read and write. A foreign network may count on
    the usual layout, and gets it.

    Args:
        network: that sees it next.
        image: ``[B,C,H,W]``.
    """
    ours = isinstance(network, Segmenter) and image.device.type == "cpu"
    if ours and image.dtype == torch.float32 and onednn_is_faster():
        return image.contiguous(memory_format=_LAST)
    return image


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``[m, k]`` times ``[n, k]`` transposed -> ``[m, n]``."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found


class _Linear(torch.autograd.Function):
    """A product of matrices and its gradients, each as one product.

    Of two dimensions, since oneDNN's result for more is a view, in which torch lets no layer behind
    this one, such as an activation, work in place.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight.t()) if wants_x else None,
            _outer(gradient, x) if wants_weight else None,
            gradient.sum(0) if wants_bias else None,
        )


def _along_last(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``[..., k]`` times ``[n, k]`` transposed -> ``[..., n]``."""
    flat: Tensor = _Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias)
    return flat.view(*x.shape[:-1], len(weight))


# oneDNN turns both factors of a gradient of weights first, 1.3 ns a number; each multiplication
# that follows saves 0.010 ns: less than that where the sides are short.
_SHORT = 128


def _outer(gradient: Tensor, x: Tensor) -> Tensor:
    """``[m, n]`` transposed times ``[m, k]`` -> ``[n, k]``."""
    (_, n), (_, k) = gradient.shape, x.shape
    if n * k < _SHORT * (n + k):
        return gradient.t() @ x
    return _product(gradient.t(), x.t())


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    if _plain(x, layer.weight):
        return _along_last(x, layer.weight, layer.bias)
    return nn.Linear.forward(layer, x)


def _one_position(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution of a single position: a product, where channels lie side by side."""
    if x.ndim == 4 and _plain(x, layer.weight) and x.is_contiguous(memory_format=_LAST):
        last = _along_last(x.permute(0, 2, 3, 1), layer.weight.flatten(1), layer.bias)
        return last.permute(0, 3, 1, 2)
    return nn.Conv2d.forward(layer, x)


def _form_of(layer: nn.Module) -> Callable[..., Tensor] | None:
    """How a layer computes; subclasses may do anything, and keep their own way."""
    if type(layer) is nn.Linear:
        return _linear
    if type(layer) is nn.Conv2d and layer.groups == 1 and layer.padding in ((0, 0), "valid"):
        return _one_position if layer.kernel_size == layer.stride == (1, 1) else None
    return None


def _plain(x: Tensor, weight: Tensor) -> bool:
    return (
        x.dtype == weight.dtype == torch.float32
        and x.device.type == "cpu"
        and x.ndim > 1
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
    )
