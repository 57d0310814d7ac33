"""Matrix products of training by oneDNN, where the library that torch takes for them is slow.

torch computes ``linear`` by MKL, which on processors that are not Intel's leaves the wide half of
their registers unused; oneDNN, which torch ships for convolutions, does not ask for the vendor.
docs/decisions/0038 has the times. Products differ by rounding alone.
"""

import functools
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

__all__ = ["by_onednn", "onednn_is_faster"]

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


@contextmanager
def by_onednn(device: torch.device) -> Iterator[None]:
    """Within the block, forward and back, products in float32 are oneDNN's where it is faster."""
    if device.type == "cpu" and onednn_is_faster():
        with _Products():
            yield
    else:
        yield


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``[..., k]`` times ``[n, k]`` transposed -> ``[..., n]``."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found


class _Linear(torch.autograd.Function):
    """``F.linear`` and its gradients, each as one product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        flat = gradient.reshape(-1, gradient.shape[-1])
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight.t()) if wants_x else None,
            _outer(flat, x.reshape(-1, x.shape[-1])) if wants_weight else None,
            flat.sum(0) if wants_bias else None,
        )


# oneDNN turns both factors of a gradient of weights first, 1.3 ns a number; each multiplication
# that follows saves 0.010 ns: less than that where the sides are short.
_SHORT = 128


def _outer(gradient: Tensor, x: Tensor) -> Tensor:
    """``[m, n]`` transposed times ``[m, k]`` -> ``[n, k]``."""
    (_, n), (_, k) = gradient.shape, x.shape
    if n * k < _SHORT * (n + k):
        return gradient.t() @ x
    return _product(gradient.t(), x.t())


class _Products(TorchFunctionMode):
    """Takes over ``F.linear``; leaves everything else as it is."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        own = _INSTEAD.get(func)
        return (own or func)(*args, **(kwargs or {}))


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if _plain(input, weight):
        return _Linear.apply(input, weight, bias)  # type: ignore[no-any-return]
    return F.linear(input, weight, bias)


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """One of a single position is a product, where channels lie side by side."""
    single = weight.shape[2:] == (1, 1) and groups == 1 and _all(stride, 1) and _all(padding, 0)
    if (
        single
        and input.ndim == 4
        and _plain(input, weight)
        and input.is_contiguous(memory_format=torch.channels_last)
    ):
        found: Tensor = _Linear.apply(input.permute(0, 2, 3, 1), weight.flatten(1), bias)
        return found.permute(0, 3, 1, 2)
    return F.conv2d(input, weight, bias, stride, padding, dilation, groups)


_INSTEAD: Mapping[Callable[..., Any], Callable[..., Tensor]] = {
    F.linear: _linear,
    F.conv2d: _conv2d,
}


def _all(sides: Any, value: int) -> bool:
    return sides in (value, (value, value), [value, value])


def _plain(input: Tensor, weight: Tensor) -> bool:
    return (
        input.dtype == weight.dtype == torch.float32
        and input.device.type == "cpu"
        and input.ndim > 1
        and input.numel() > 0
        and not torch.is_autocast_enabled("cpu")
    )
