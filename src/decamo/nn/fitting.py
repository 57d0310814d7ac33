"""A checkpoint's weights into a network: all of them fit, or the first that do not are named."""

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from decamo.errors import CheckpointMismatch

__all__ = ["load_fitting", "named"]

_MOST_NAMED = 5


def load_fitting(network: nn.Module, weights: Mapping[str, Tensor], what: object) -> None:
    """Load weights by name; on an error the network is unchanged.

    Args:
        network: changed in place.
        weights: name -> values, parameters and buffers.
        what: the file or flag that the weights came by, for the error.

    Raises:
        CheckpointMismatch: names up to five weights that are missing, unknown to the network, or
            of another shape.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in weights]
    unknown = [name for name in weights if name not in wanted]
    misfit = [n for n, w in weights.items() if n in wanted and w.shape != wanted[n].shape]
    told = [
        f"{words} {named(names)}"
        for words, names in (
            ("it lacks", missing),
            ("the network has no", unknown),
            ("of another shape are", misfit),
        )
        if names
    ]
    if told:
        raise CheckpointMismatch(
            what,
            f"its weights are not those of the network: {'; '.join(told)}",
            "use it with the flags and the version of decamo that it was trained with",
        )
    network.load_state_dict(weights)


def named(names: Iterable[str]) -> str:
    """Up to five names, and how many more there are."""
    listed = [name[:80] for name in names]
    more = len(listed) - _MOST_NAMED
    return ", ".join(listed[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
