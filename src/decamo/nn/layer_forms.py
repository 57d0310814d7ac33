"""Other ways for a network's layers to compute the same, for the time of a block."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

from decamo.nn.segmentation_network import TorchModule

__all__ = ["layers_computing"]


@contextmanager
def layers_computing(
    network: TorchModule, form_of: Callable[[nn.Module], Callable[..., Any] | None]
) -> Iterator[None]:
    """Within the block layers compute as they are told to; one that was told before is left alone.

    Instances are changed: a mode of torch would be off in the backward pass, and classes belong to
    everybody.

    Args:
        network: whose layers are changed.
        form_of: of a layer, what takes it and its inputs in place of ``forward``; None to leave it.
    """
    changed: list[nn.Module] = []
    try:
        for layer in network.modules():
            form = form_of(layer)
            if form is not None and "forward" not in vars(layer):
                vars(layer)["forward"] = partial(form, layer)
                changed.append(layer)
        yield
    finally:
        for layer in changed:
            vars(layer).pop("forward", None)
