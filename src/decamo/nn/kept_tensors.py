"""What a network keeps from one forward pass to the next, and how to keep it out."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["KeptTensors"]

_REGISTERED = {"_parameters", "_buffers", "_modules"}
_HOLDERS = (dict, list, tuple, Tensor)


class _Absent:
    """Stands for an attribute that was not there; a class, so that a copy of it is itself."""


class KeptTensors:
    """Attributes in which a network keeps tensors from one forward pass to the next in eval mode.

    timm's attention biases (TinyViT, LeViT, EfficientFormer) are gathered once and kept until the
    network is in training mode, which a backbone here never is: a second backward pass would go
    through the first one's graph, and weights that are loaded later would change nothing. What a
    pass leaves behind is found by looking at every module before and after, once an image size.
    """

    def __init__(self) -> None:
        self._sizes: set[tuple[int, ...]] = set()
        self._before: dict[tuple[str, str], Any] = {}

    @contextlib.contextmanager
    def kept_out(self, net: nn.Module, size: tuple[int, ...]) -> Iterator[None]:
        """Let one forward pass begin and end without anything kept from another."""
        self._restore(net)
        # A size that is traced for an export has no hash, and stands for all of them.
        if torch.compiler.is_compiling() or size in self._sizes:
            try:
                yield
            finally:
                self._restore(net)
            return
        before = {key: _copied(value) for key, value in _attributes(net)}
        yield
        for key, value in _attributes(net):
            if _holds_tensor(value) and not _is_same(value, before.get(key)):
                self._before.setdefault(key, before.get(key, _Absent))
        self._sizes.add(size)
        self._restore(net)

    def _restore(self, net: nn.Module) -> None:
        for (place, name), value in self._before.items():
            module = net.get_submodule(place)
            if value is not _Absent:
                setattr(module, name, _copied(value))
            elif hasattr(module, name):
                delattr(module, name)


def _attributes(net: nn.Module) -> Iterator[tuple[tuple[str, str], Any]]:
    """Plain attributes of every module that may hold tensors, by module and name."""
    for place, module in net.named_modules():
        for name, value in vars(module).items():
            if name not in _REGISTERED and (value is None or isinstance(value, _HOLDERS)):
                yield (place, name), value


def _copied(value: Any) -> Any:
    return type(value)(value) if type(value) in (dict, list) else value


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_tensor, value.values()))
    return (
        any(map(_holds_tensor, value))
        if isinstance(value, list | tuple)
        else torch.is_tensor(value)
    )


def _is_same(value: Any, before: Any) -> bool:
    """Whether the very same tensors are in it as before."""
    if isinstance(value, dict) and isinstance(before, dict):
        return value.keys() == before.keys() and all(
            _is_same(v, before[k]) for k, v in value.items()
        )
    if isinstance(value, list | tuple) and isinstance(before, list | tuple):
        return len(value) == len(before) and all(map(_is_same, value, before))
    return value is before
