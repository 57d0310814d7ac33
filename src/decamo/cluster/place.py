"""What ``--on`` means while a command runs: a place for tasks, or workers that are hired."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from decamo.cluster.tasks import Place, one_after_another
from decamo.cluster.where import OnRay, Share
from decamo.cluster.worker_crew import Needs, WorkerCrew, Workers
from decamo.errors import SettingsError
from decamo.extras import missing_extras

__all__ = ["hired", "place_of"]


@contextmanager
def place_of(
    on: OnRay | None, share: Share, folder: Path, *, device: str, precision: str, threads: int
) -> Iterator[Place]:
    """What ``--on`` means, for as long as this block takes.

    Args:
        on: the cluster; None for this process.
        share: of each task.
        folder: that all nodes have to see, and see alike.
        device: ``--device``.
        precision: ``--precision``.
        threads: that a task computes with.

    Raises:
        MissingExtra: Ray is not installed.
        SettingsError: the cluster cannot be used so.
        StorageError: the folder cannot be written.
    """
    if on is None:
        for name in ("gpus", "cpus"):
            if getattr(share, name) is not None:
                remedy = "add --on ray, or leave it out: here one runs after the other"
                raise SettingsError(f"--{name}-per-{share.unit}", "given without --on", remedy)
        yield Place(one_after_another, device, here=True)
        return
    with missing_extras():
        from decamo.cluster.ray_tasks import tasks_on
    with tasks_on(on, share, folder, device, precision, threads) as place:
        yield place


@contextmanager
def hired(wanted: Workers, needs: Needs, say: Callable[[str], None]) -> Iterator[WorkerCrew]:
    """Workers, for as long as this block takes.

    Args:
        wanted: where, and how many.
        needs: what all machines must have.
        say: told a line where a worker died, or has no room.

    Raises:
        MissingExtra: Ray is not installed.
        SettingsError: the cluster cannot be used so, or a node does not see the files.
        StorageError: the folder cannot be written, or a file read, here.
    """
    with missing_extras():
        # Ray: decisions/0007
        from decamo.cluster.ray_workers import workers_on
    with workers_on(wanted, needs, say) as crew:
        yield crew
