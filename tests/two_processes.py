"""Two processes that work together, forked from one that has imported what they need."""

import socket
from collections.abc import Callable
from typing import Any

import torch.multiprocessing as mp

__all__ = ["fork_two", "free_port", "in_one_process", "in_two_processes"]


def in_two_processes(work: Callable[..., None], *args: Any) -> None:
    """Run ``work(rank, *args)`` with ranks 0 and 1; torch is imported once for both.

    They are not forked from this process, whose threads may hold locks.

    Args:
        work: a function of a module.
        args: can be pickled.
    """
    in_one_process(fork_two, work, *args)


def in_one_process(work: Callable[..., None], *args: Any) -> None:
    """Run ``work(*args)`` in a process of its own, which has done nothing yet: it may fork."""
    mp.spawn(_called, args=(work, args), nprocs=1)  # type: ignore[attr-defined]


def fork_two(work: Callable[..., None], *args: Any) -> None:
    """Run ``work(rank, *args)`` with ranks 0 and 1 in copies of this process."""
    mp.start_processes(work, args, nprocs=2, start_method="fork")  # type: ignore[attr-defined]


def free_port() -> int:
    """One on which the two can meet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _called(_: int, work: Callable[..., None], args: tuple[Any, ...]) -> None:
    work(*args)
