"""Work that threads do behind a source, in the source's order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_threads"]

T = TypeVar("T")
R = TypeVar("R")


def in_threads(
    work: Callable[[T], R], items: Iterable[T], *, threads: int, behind: int
) -> Iterator[R]:
    """``work`` of each item in threads, while this one takes the next from the source; in order.

    Each result is given as soon as it is done and those before it are. What the source raises comes
    after the results of what it gave before.

    Args:
        work: done in a thread; what it raises is raised here, in its place.
        items: taken in this thread.
        threads: that work.
        behind: items that are worked on or wait for it, at most.
    """
    under_way: deque[Future[R]] = deque()
    crew = ThreadPoolExecutor(threads, thread_name_prefix="decamo")
    source, failed = iter(items), None
    try:
        while True:
            try:
                item = next(source)
            except StopIteration:
                break
            except Exception as error:
                failed = error
                break
            under_way.append(crew.submit(work, item))
            del item
            while under_way and (len(under_way) >= behind or under_way[0].done()):
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
        if failed is not None:
            raise failed
    finally:
        crew.shutdown(cancel_futures=True)
