"""Tasks that one process hands out: one after the other here, or many at once on a cluster."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

__all__ = ["Place", "Runner", "TaskLine", "one_after_another"]

Found = TypeVar("Found")


class TaskLine(Protocol):
    """From a task to whoever started it; cheap, to be used at every step."""

    def tell(self, what: object) -> None:
        """Tell something that happened, which can be pickled."""

    def stop(self) -> str:
        """Why to save and end now; empty while there is no reason."""


class Runner(Protocol):
    """Does the work of all items, and gives what each came to, by its key, as it is done.

    Args:
        work: of one item; a function of a module, by whose name another process finds it. It may
            be begun again where its worker died.
        shared: given to all.
        items: key -> item.
        on_event: told the key and what its task tells.
        stop: asked now and then; after a reason tasks end early, and those not begun give nothing.

    Raises:
        DecamoError: of a task; the others have been stopped, and have saved.
    """

    def __call__(
        self,
        work: Callable[[Any, Any, TaskLine], Found],
        shared: Any,
        items: Mapping[str, Any],
        *,
        on_event: Callable[[str, object], None],
        stop: Callable[[], str],
    ) -> Iterator[tuple[str, Found]]:
        """See above."""


@dataclass(frozen=True)
class _Here:
    key: str
    on_event: Callable[[str, object], None]
    stop: Callable[[], str]

    def tell(self, what: object) -> None:
        self.on_event(self.key, what)


def one_after_another(
    work: Callable[[Any, Any, TaskLine], Found],
    shared: Any,
    items: Mapping[str, Any],
    *,
    on_event: Callable[[str, object], None],
    stop: Callable[[], str],
) -> Iterator[tuple[str, Found]]:
    """A :class:`Runner` in this process."""
    for key, item in items.items():
        if stop():
            return
        yield key, work(shared, item, _Here(key, on_event, stop))


@dataclass(frozen=True)
class Place:
    """Where tasks run.

    Attributes:
        runner: hands them out.
        device: of a task: ``--device`` in this process, ``cpu`` or ``cuda`` elsewhere.
        here: whether that is this process.
    """

    runner: Runner
    device: str
    here: bool
