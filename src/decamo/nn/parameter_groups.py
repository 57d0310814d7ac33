"""Which groups of a network's parameters learn."""

from collections.abc import Collection, Mapping

from torch import nn

__all__ = ["let_learn"]


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
