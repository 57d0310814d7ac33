"""The exchange of gradients between processes: in buckets, of which several are on their way."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.distributed as dist

__all__ = ["sum_in_buckets"]

_BUCKET = 6 * 2**20  # numbers: 24 MB, about DDP's; less costs calls, more waits for the gathering
Bucket = list[torch.nn.Parameter]


def sum_in_buckets(
    parameters: Iterable[torch.nn.Parameter],
    guarded: Callable[[], AbstractContextManager[None]],
) -> None:
    """Replace the gradients of what learns by their sums; a missing one counts as zero.

    Args:
        parameters: the same in all processes, in the same order.
        guarded: within which torch's collectives are called.
    """
    sent = [_send(bucket, guarded) for bucket in _buckets(parameters)]
    for bucket, flat, work in sent:
        with guarded():
            work.wait()
        # no copy back: the gradients live in what was exchanged until they are dropped
        pieces = flat.split([p.numel() for p in bucket])
        for parameter, piece in zip(bucket, pieces, strict=True):
            parameter.grad = piece.view_as(parameter)


def _send(
    bucket: Bucket, guarded: Callable[[], AbstractContextManager[None]]
) -> tuple[Bucket, torch.Tensor, Any]:
    """Let some gradients be summed while the next ones are gathered."""
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    with guarded():
        return bucket, flat, dist.all_reduce(flat, async_op=True)


def _buckets(parameters: Iterable[torch.nn.Parameter]) -> Iterator[Bucket]:
    """Those that learn, in their order, in groups of about the same size and one format."""
    bucket: Bucket = []
    for parameter in parameters:
        if not parameter.requires_grad:
            continue
        size = sum(p.numel() for p in bucket) + parameter.numel()
        if bucket and (size > _BUCKET or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(parameter)
    if bucket:
        yield bucket
