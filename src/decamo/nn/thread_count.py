"""With how many threads torch computes: sums on a processor depend on how many share them."""

import torch

__all__ = ["thread_count", "use_threads"]


def thread_count() -> int:
    """Of this process."""
    return torch.get_num_threads()


def use_threads(count: int) -> None:
    """Compute with so many from now on."""
    torch.set_num_threads(count)
