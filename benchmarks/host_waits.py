"""Where the host waits for the device: counted on any device, a processor included.

On a GPU the host queues work and runs ahead; whatever makes it look at a value, or copy in step,
empties the queue. Here such operations are counted by what they are, not by what they cost, so that
a machine without a GPU can tell.
"""

import sys
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, Self

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["HostWaits"]

_ATEN = torch.ops.aten
# A value, or a shape that depends on values, is asked for.
_VALUES = {
    _ATEN._local_scalar_dense,
    _ATEN.nonzero,
    _ATEN.masked_select,
    _ATEN.equal,
    _ATEN._unique2,
    _ATEN.unique_dim,
    _ATEN.unique_consecutive,
    _ATEN.repeat_interleave,
}
_INDEXED = {_ATEN.index, _ATEN.index_put, _ATEN.index_put_, _ATEN._index_put_impl_}
_TO_HOST: dict[Callable[..., Any], str] = {
    Tensor.tolist: "tolist",
    Tensor.cpu: "cpu",
    Tensor.numpy: "numpy",
}


class HostWaits:
    """Counts, while it is entered, what would make the host wait for a GPU.

    What it sees: values asked for (``item``, ``bool``, ``tolist``, ``cpu``), operations whose
    result's shape depends on values (``nonzero``, an index of truth values), copies to a named
    device that are not ``non_blocking``, tensors made of host values on a named device. Forward
    and backward pass alike.

    Attributes:
        found: kind of wait -> how often.

    Args:
        on_host: tensors that live on the host whatever the device: asking for them is free. An
            optimizer's step counts are such.
    """

    def __init__(self, on_host: Callable[[], Collection[Tensor]] = tuple) -> None:
        self.found: Counter[str] = Counter()
        self._calls = _Calls(self.found)
        self._operations = _Operations(self.found, on_host)

    @property
    def total(self) -> int:
        """All of them together."""
        return self.found.total()

    def __enter__(self) -> Self:
        self._calls.__enter__()
        self._operations.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._operations.__exit__(*error)
        self._calls.__exit__(*error)


class _Calls(TorchFunctionMode):
    """What a program asks for: on a processor some of it never becomes an operation."""

    def __init__(self, found: Counter[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _TO_HOST:
            self.found[_TO_HOST[func]] += 1
        elif func is Tensor.to and not kwargs.get("non_blocking") and _device_in(args[1:], kwargs):
            self._copied("to", sys._getframe(1).f_globals["__name__"])
        elif func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            self._copied("tensor", sys._getframe(1).f_globals["__name__"])
        return func(*args, **kwargs)

    def _copied(self, kind: str, caller: str) -> None:
        if not caller.startswith("torch."):  # clipping and AdamW: from a device to the same one
            self.found[f"{kind} in {caller}"] += 1


class _Operations(TorchDispatchMode):
    """What is carried out, in the backward pass too."""

    def __init__(self, found: Counter[str], on_host: Callable[[], Collection[Tensor]]) -> None:
        super().__init__()
        self.found, self.on_host = found, on_host

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        operation = func.overloadpacket
        if operation in _VALUES and not any(args[0] is known for known in self.on_host()):
            self.found[operation.__name__.strip("_")] += 1
        elif operation in _INDEXED and any(_chooses(index) for index in args[1]):
            self.found["index by truth values"] += 1
        return func(*args, **(kwargs or {}))


def _device_in(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return any(isinstance(arg, str | torch.device) for arg in (*args, kwargs.get("device")))


def _chooses(index: Tensor | None) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)
