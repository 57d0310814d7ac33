"""Workers, for as long as they are needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from decamo.cluster.worker_crew import Needs, WorkerCrew, Workers
from decamo.extras import missing_extras

__all__ = ["hired"]


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
