"""Adam's moments out of another program's optimizer, which knows its parameters by number alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

__all__ = ["MomentsUnmatchedError", "moments_by_name"]

_MOMENTS = ("exp_avg", "exp_avg_sq")
_Named = Sequence[tuple[str, nn.Parameter]]


class MomentsUnmatchedError(Exception):
    """Why moments cannot be taken over, in a few words."""


def moments_by_name(net: nn.Module, optimizer: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Moments by the names of a network's parameters.

    An optimizer's state numbers its parameters through its groups. Which parameters these were is
    found from the customs of training programs: a group is the whole network, the part of it below
    one module, or whatever the groups before it left, each in the network's order and each perhaps
    only its kernels or only its vectors. A group fits where the number and the shapes of all its
    moments do.

    Args:
        net: the network that the other program trained.
        optimizer: ``state_dict()`` of its Adam or AdamW.

    Returns:
        name -> ``step``, ``exp_avg``, ``exp_avg_sq``; only of parameters that have learned.

    Raises:
        MomentsUnmatchedError: it is no Adam, or a group fits nowhere.
    """
    state = optimizer["state"]
    if not state:
        raise MomentsUnmatchedError("the optimizer has not made a step")
    odd = next((one for one in state.values() if not set(_MOMENTS) <= set(one)), None)
    if odd is not None:
        has = ", ".join(map(str, odd)) or "nothing"
        raise MomentsUnmatchedError(f"it is no Adam: it keeps {has:.80}")
    left = list(net.named_parameters())
    names: dict[int, str] = {}
    for number, group in enumerate(optimizer["param_groups"]):
        ids = list(group["params"])
        shapes = [_shape(state.get(i)) for i in ids]
        fitting = next((c for c in _candidates(net, left) if _fits(c, shapes)), None)
        if fitting is None:
            raise MomentsUnmatchedError(
                f"group {number} of its {len(optimizer['param_groups'])} ({len(ids)} parameters)"
                " is no part of the network in its order"
            )
        names |= dict(zip(ids, (name for name, _ in fitting), strict=True))
        taken = {name for name, _ in fitting}
        left = [pair for pair in left if pair[0] not in taken]
    return {
        names[i]: {"step": one["step"], **{key: one[key] for key in _MOMENTS}}
        for i, one in state.items()
        if i in names
    }


def _shape(moments: Mapping[str, Any] | None) -> tuple[int, ...] | None:
    first = None if moments is None else moments[_MOMENTS[0]]
    return tuple(first.shape) if isinstance(first, Tensor) else None


def _candidates(net: nn.Module, left: _Named) -> Iterator[_Named]:
    """What a group may hold, the largest first: in each, all, only kernels, only vectors."""
    places = ["", *(name for name, _ in net.named_modules() if name)]
    wholes = [
        [p for p in left if p[0].startswith(f"{place}." if place else "")] for place in places
    ]
    behind = [[p for p in left if not p[0].startswith(f"{place}.")] for place in places[1:]]
    for whole in sorted((*wholes, *behind), key=len, reverse=True):
        yield whole
        yield [p for p in whole if p[1].ndim > 1]
        yield [p for p in whole if p[1].ndim <= 1]


def _fits(candidate: _Named, shapes: Sequence[tuple[int, ...] | None]) -> bool:
    return len(candidate) == len(shapes) and all(
        shape is None or tuple(parameter.shape) == shape
        for (_, parameter), shape in zip(candidate, shapes, strict=True)
    )
