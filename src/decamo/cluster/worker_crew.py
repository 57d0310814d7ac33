"""Workers of a cluster: each holds something heavy, such as a network, and does blocks of items."""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from decamo.cluster.where import OnRay, Share, where_of
from decamo.errors import SettingsError

__all__ = [
    "BlockWork",
    "Needs",
    "WorkerCrew",
    "Workers",
    "block_size",
    "loaded_here",
    "workers_of",
]

Item = TypeVar("Item")
Found = TypeVar("Found")
In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)

_BLOCK = 8  # items: enough to hide a millisecond of messages, few to be done again after a death
_BLOCKS_EACH = 4  # for each worker, so that none ends long before the others


class BlockWork(Protocol[In, Out]):
    """What is done with items; it can be pickled, and its module is importable by name."""

    def open(self) -> Callable[[Sequence[In], Callable[[str], None]], Sequence[Out]]:
        """Load what is needed, once in each worker.

        Returns:
            called with a block of items and with whom to tell a line; gives what each item came to.
            A block may be done twice, where a worker died of it.
        """

    def name(self, item: In) -> str:
        """Of an item, for people."""


@dataclass(frozen=True)
class Workers:
    """Where workers run, how many, and what each computes on.

    Attributes:
        on: the cluster.
        count: of workers; None for as many as there is room for.
        share: that each reserves.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``.
    """

    on: OnRay
    count: int | None = None
    share: Share = Share(unit="worker")
    device: str = "auto"
    precision: str = "fp32"


def workers_of(
    on: str | None,
    *,
    count: int | None = None,
    cpus: float | None = None,
    gpus: float | None = None,
    device: str = "auto",
    precision: str = "fp32",
) -> Workers | None:
    """What the flags mean together; None for in this process.

    Args:
        on: ``--on``.
        count: ``--workers``.
        cpus: ``--cpus-per-worker``.
        gpus: ``--gpus-per-worker``.
        device: ``--device``.
        precision: ``--precision``.

    Raises:
        SettingsError: one cannot be meant.
    """
    where, share = where_of(on), Share(cpus, gpus, "worker")
    if where is None:
        for name, value in (("cpus", cpus), ("gpus", gpus)):
            if value is not None:
                flag = f"--{name}-per-worker"
                raise SettingsError(flag, "there is no --on", "say where: --on ray")
        return None
    if count is not None and count < 1:
        raise SettingsError("--workers", f"got {count}", "give at least 1")
    return Workers(where, count, share, device, precision)


def loaded_here(workers: Workers | None, device: str, precision: str) -> tuple[str, str]:
    """Device and precision that this process loads a network with.

    One that workers compute with is only looked at here: its size, and what it was trained on.
    """
    if workers is None:
        return device, precision
    return "cpu", "fp32"


@dataclass(frozen=True)
class Needs:
    """What all machines must have alike.

    Attributes:
        reads: files of which each has to see the same.
        writes: folder that all write to; None for none.
        threads: that a worker computes with.
        gpus: whether a GPU is of any use.
    """

    reads: Sequence[Path]
    writes: Path | None = None
    threads: int = 1
    gpus: bool = True


class WorkerCrew(Protocol):
    """Workers that are at hand.

    Attributes:
        count: how many at most.
        device: of each: ``cpu`` or ``cuda``.
    """

    @property
    def count(self) -> int: ...  # noqa: D102

    @property
    def device(self) -> str: ...  # noqa: D102

    def results(
        self,
        work: BlockWork[Item, Found],
        items: Iterable[Item],
        *,
        total: int,
        block: int,
        ordered: bool,
        heed: Callable[[], None],
    ) -> Generator[Found]:
        """What each item came to; a few blocks are held at a time, however many there are.

        The block of a worker that dies is done again by another one, whole.

        Args:
            work: done with each.
            items: taken one by one as there is room.
            total: how many there are.
            block: of them go to a worker together.
            ordered: in the order of the items; else each block as it is done.
            heed: called now and then; may raise.

        Raises:
            ClusterError: worker after worker died of one block.
            DecamoError: of the work.
        """


def block_size(total: int, workers: int, multiple: int = 1) -> int:
    """Items of a block, so that each worker has several; a multiple of ``multiple``."""
    fair = -(-total // max(workers * _BLOCKS_EACH, 1))
    return max(1, min(fair, _BLOCK) // multiple) * multiple
