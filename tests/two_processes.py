"""Two processes that work together, forked from one that has imported what they need."""

from collections.abc import Callable
from typing import Any

import torch.multiprocessing as mp

__all__ = ["in_two_processes"]


def in_two_processes(work: Callable[..., None], *args: Any) -> None:
    """Run ``work(rank, *args)`` with ranks 0 and 1; torch is imported once for both.

    They are not forked from this process, whose threads may hold locks.

    Args:
        work: a function of a module.
        args: can be pickled.
    """
    mp.spawn(_forked, args=(work, args), nprocs=1)  # type: ignore[attr-defined]


def _forked(_: int, work: Callable[..., None], args: tuple[Any, ...]) -> None:
    mp.start_processes(work, args, nprocs=2, start_method="fork")  # type: ignore[attr-defined]
