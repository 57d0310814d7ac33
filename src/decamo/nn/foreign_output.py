"""What a foreign network returns: which of it is the logits, and what else there is."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from decamo.errors import ModelError

__all__ = [
    "AUXILIARY",
    "Sorted",
    "auto_output",
    "ends_in_probabilities",
    "probabilities_in",
    "read_answer",
    "resized",
]

AUXILIARY = "auxiliary_loss"
"""Key under which a network may return a loss of its own: a scalar, or several by name."""

_LOGITS = ("logits", "out", "masks", "pred")  # names that say which of several outputs it is
_MOST_LISTED = 8
_EPS = 1e-6  # of a probability: next to 1, float32 has steps of 6e-8


@dataclass(frozen=True)
class Sorted:
    """One forward pass of a foreign network, sorted.

    Attributes:
        logits: float32 ``[B,1,h,w]``.
        side: float32 ``[B,1,h,w]`` each, every other map of logits that was returned.
        auxiliary: scalar with gradient, the sum of the losses that it returned; None for none.
    """

    logits: Tensor
    side: tuple[Tensor, ...]
    auxiliary: Tensor | None


def read_answer(
    returned: Any, output: str = "", probabilities: Collection[str] = frozenset()
) -> Sorted:
    """Sort what a network returned.

    Args:
        returned: a tensor, or tensors in tuples, lists, mappings and dataclasses.
        output: index or name of the logits, dotted where nested (``1.0``); empty where there is
            one map alone. A single tensor is taken whatever it says: many networks return side
            outputs in training mode alone.
        probabilities: names of maps that end in a sigmoid or softmax, which is undone
            (:func:`probabilities_in`).

    Raises:
        ModelError: names what there is.
    """
    every = dict(_flattened(returned))
    maps = {name: tensor for name, tensor in every.items() if _is_map(name, tensor)}
    name = _chosen(every, maps, output)
    logits = {n: _as_logits(one, n in probabilities) for n, one in maps.items()}
    side = tuple(one for n, one in logits.items() if n != name)
    return Sorted(logits[name], side, _auxiliary(every))


def probabilities_in(returned: Any) -> frozenset[str]:
    """Names of the maps that end in a sigmoid or softmax.

    Args:
        returned: as of :func:`read_answer`, made with gradients enabled.
    """
    return frozenset(
        name
        for name, tensor in _flattened(returned)
        if _is_map(name, tensor) and ends_in_probabilities(tensor)
    )


def auto_output(answers: Iterable[Any], output: str = "") -> str:
    """The output that is the logits in every mode of a network.

    Args:
        answers: what it returned, in evaluation and in training mode.
        output: as the user named it; empty where it is to be found.

    Raises:
        ModelError: it is not clear which of several it is, or there is none.
    """
    found = ""
    for returned in answers:
        every = dict(_flattened(returned))
        maps = {name: tensor for name, tensor in every.items() if _is_map(name, tensor)}
        chosen = _chosen(every, maps, output)
        found = found or (chosen if len(maps) > 1 else "")
    return found


def _chosen(every: Mapping[str, Tensor], maps: Mapping[str, Tensor], output: str) -> str:
    if len(maps) == 1 and (len(every) == 1 or not output):
        return next(iter(maps))
    if output:
        name = _counted_back(output, maps)
        if name in maps:
            return name
        raise _unclear(every, f"has no map of logits {output!r}")
    known = [name for name in maps if name.rpartition(".")[2] in _LOGITS]
    if len(known) == 1:
        return known[0]
    if not maps:
        raise _unclear(every, "has no map of logits [B,1,h,w] or [B,2,h,w]")
    raise _unclear(every, "has several maps")


def _counted_back(output: str, maps: Mapping[str, Tensor]) -> str:
    """``-1`` is the last map, as in Python."""
    if output.startswith("-") and output[1:].isdigit() and 1 <= int(output[1:]) <= len(maps):
        return list(maps)[-int(output[1:])]
    return output


def _unclear(every: Mapping[str, Tensor], why: str) -> ModelError:
    listed = [f"{name or 'a tensor'} {list(t.shape)}" for name, t in every.items()]
    more = len(listed) - _MOST_LISTED
    there = ", ".join(listed[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
    return ModelError(
        "--output",
        f"the network's answer {why}; there is {there or 'no tensor'}",
        "name the logits by --output INDEX or --output NAME; other maps become side outputs",
    )


def _flattened(returned: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in it under its dotted name."""
    if isinstance(returned, Tensor):
        yield name, returned
        return
    if isinstance(returned, Mapping):
        parts: Iterable[tuple[Any, Any]] = returned.items()
    elif is_dataclass(returned) and not isinstance(returned, type):
        parts = ((f.name, getattr(returned, f.name)) for f in fields(returned))
    elif isinstance(returned, tuple) and hasattr(returned, "_fields"):
        parts = zip(returned._fields, returned, strict=True)
    elif isinstance(returned, tuple | list):
        parts = enumerate(returned)
    else:
        return
    for key, value in parts:
        yield from _flattened(value, f"{name}.{key}" if name else str(key))


def _is_map(name: str, tensor: Tensor) -> bool:
    """Whether it may be logits of one object against the ground."""
    if _is_auxiliary(name) or not tensor.is_floating_point():
        return False
    return tensor.ndim == 3 or (tensor.ndim == 4 and tensor.shape[1] in (1, 2))


def _as_logits(tensor: Tensor, is_probability: bool) -> Tensor:
    """Float32 ``[B,1,h,w]``: of two classes the difference, whose sigmoid is their softmax."""
    if tensor.ndim == 3:
        tensor = tensor[:, None]
    tensor = tensor.float()
    if is_probability:
        two = tensor.shape[1] == 2
        tensor = tensor.clamp_min(_EPS).log() if two else tensor.logit(_EPS)
    return tensor[:, 1:] - tensor[:, :1] if tensor.shape[1] == 2 else tensor


def _is_auxiliary(name: str) -> bool:
    return AUXILIARY in name.split(".")


def _auxiliary(every: Mapping[str, Tensor]) -> Tensor | None:
    losses = [tensor.float().mean() for name, tensor in every.items() if _is_auxiliary(name)]
    return torch.stack(losses).sum() if losses else None


def resized(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits at another size; they are what they are where they have it already."""
    if logits.shape[-2:] == size:
        return logits
    smaller = size[0] < logits.shape[-2] or size[1] < logits.shape[-1]
    return F.interpolate(logits, size=size, mode="bilinear", antialias=smaller)


_MOVES = ("Upsample", "View", "Reshape", "Slice", "Select", "Squeeze", "Unsqueeze", "Sub", "ToCopy",
          "Permute", "Transpose", "Clone", "Alias", "Split", "Unbind")  # fmt: skip


def ends_in_probabilities(logits: Tensor) -> bool:
    """Whether a sigmoid or softmax comes last, but for what only moves or resizes values.

    Args:
        logits: made with gradients enabled.
    """
    step = logits.grad_fn
    while step is not None:
        name = type(step).__name__
        if name.startswith(("Sigmoid", "Softmax")):
            return True
        if not name.startswith(_MOVES):
            return False
        step = next((before for before, _ in step.next_functions if before is not None), None)
    return False
