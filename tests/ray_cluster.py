"""Three Ray nodes on this machine, with a core each, for all tests that ask for `three_nodes`."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from decamo.cluster import OnRay
from decamo.cluster.ray_session import connected
from decamo.storage.owner_file import holder_in, newest_number, owner_path

__all__ = ["NODES", "Nodes", "owner_of"]

_SMALL: dict[str, Any] = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80_000_000}
# No process is started that no test asks for, and one that has loaded torch is kept for the next
# test. A task has as much of a core as the tests have.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_idle_worker_killing_time_threshold_ms": "60000",
    "RAY_worker_niceness": "0",
}


class Nodes:
    """Of a cluster whose head is the first; it starts when it is asked for, and again once closed.

    This process joins it as well: what has loaded torch for one test serves those that follow.
    """

    def __init__(self) -> None:
        self._running: Cluster | None = None
        self._others: list[Any] = []
        self._joined = ExitStack()

    @property
    def on(self) -> OnRay:
        if self._running is None:
            with _environment():
                head = _SMALL | {"include_dashboard": False}
                self._running = Cluster(initialize_head=True, head_node_args=head)
            self.whole_again()
            self._join()
        return OnRay(self._running.address)

    def lose_one(self) -> None:
        """A node ends as if somebody had pulled its plug."""
        assert self._running is not None
        self._running.remove_node(self._others.pop(), allow_graceful=False)

    def whole_again(self) -> None:
        assert self._running is not None
        with _environment():
            while len(self._others) < 2:
                self._others.append(self._running.add_node(**_SMALL))

    @contextmanager
    def apart(self) -> Iterator[None]:
        """This process has not joined it: whatever is called here does so by itself."""
        assert self._running is not None
        self._joined.close()
        yield
        self._join()

    def close(self) -> None:
        """End all of it, if it runs."""
        if self._running is not None:
            self._joined.close()
            self._running.shutdown()
            self._running = None
            self._others.clear()

    def _join(self) -> None:
        self._joined.enter_context(connected(self.on))


NODES = Nodes()


@contextmanager
def _environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _QUIET.items():
            patch.setenv(name, value)
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


def owner_of(folder: Path) -> int:
    """Number of the process that has a folder; 0 while none has."""
    holder = holder_in(owner_path(folder, newest_number(folder)))
    return holder.process if holder is not None else 0
