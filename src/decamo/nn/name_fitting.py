"""Weights under names of another program, found again in a network."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

__all__ = ["FittedWeights", "fit_names"]

_COUNTER = "num_batches_tracked"  # has no say in what a network does; older files lack it


@dataclass(frozen=True, eq=False)
class FittedWeights:
    """Weights by the names of a network, and what was not to be had.

    Attributes:
        weights: every parameter and buffer that was found, by the network's names.
        taken_off: what the file has before the network's names, such as ``module.``.
        put_on: what the network has before the file's names.
        missing: names of the network that the file lacks.
        unknown: names of the file that the network lacks.
        misfit: names of the network whose values in the file have another shape.
    """

    weights: Mapping[str, Tensor]
    taken_off: str = ""
    put_on: str = ""
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    misfit: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether all that the network needs was found."""
        return not self.missing and not self.misfit


def fit_names(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> FittedWeights:
    """Find a network's weights in a file whose names have something before them, or lack it.

    What stands before the names is not taken from a list: it is whatever makes the most names and
    shapes agree.

    Args:
        weights: by the names in the file.
        wanted: the network's ``state_dict()``; its counters of batches stand in for missing ones.
    """
    off = _most_votes(weights, wanted)
    on = _most_votes(wanted, weights)
    best = max(
        (_fitted(weights, wanted, *pair) for pair in ((off, ""), ("", on), ("", ""))),
        key=lambda one: len(one.weights),
    )
    counters = {name: value for name, value in wanted.items() if name.endswith(_COUNTER)}
    missing = tuple(name for name in best.missing if name not in counters)
    return FittedWeights(
        counters | dict(best.weights),
        best.taken_off,
        best.put_on,
        missing,
        best.unknown,
        best.misfit,
    )


def _most_votes(longer: Mapping[str, Tensor], shorter: Mapping[str, Tensor]) -> str:
    """What stands before most of the longer names, for the rest of them to be the shorter ones."""
    votes: Counter[str] = Counter()
    for name, value in longer.items():
        head, rest = "", name
        while "." in rest:
            first, _, rest = rest.partition(".")
            head += f"{first}."
            if rest in shorter and shorter[rest].shape == value.shape:
                votes[head] += 1
    return votes.most_common(1)[0][0] if votes else ""


def _fitted(
    weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], off: str, on: str
) -> FittedWeights:
    named = {
        on + name.removeprefix(off): (name, value)
        for name, value in weights.items()
        if name.startswith(off)
    }
    there = {name: value for name, (_, value) in named.items() if name in wanted}
    misfit = tuple(name for name, value in there.items() if value.shape != wanted[name].shape)
    used = {named[name][0] for name in there}
    return FittedWeights(
        {name: value for name, value in there.items() if name not in misfit},
        off,
        on,
        tuple(name for name in wanted if name not in there),
        tuple(name for name in weights if name not in used),
        misfit,
    )
