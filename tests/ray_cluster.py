"""Three Ray nodes on this machine, with a core each, for the tests of a module."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from decamo.cluster import OnRay
from decamo.storage.owner_file import holder_in, newest_number, owner_path

__all__ = ["Nodes", "owner_of", "three_nodes"]

_SMALL: dict[str, Any] = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80_000_000}


class Nodes:
    """Of a cluster whose head is the first."""

    def __init__(self) -> None:
        self.cluster = Cluster(
            initialize_head=True, head_node_args=_SMALL | {"include_dashboard": False}
        )
        self.others = [self.cluster.add_node(**_SMALL) for _ in range(2)]

    @property
    def on(self) -> OnRay:
        return OnRay(self.cluster.address)

    def lose_one(self) -> None:
        """A node ends as if somebody had pulled its plug."""
        self.cluster.remove_node(self.others.pop(), allow_graceful=False)

    def whole_again(self) -> None:
        while len(self.others) < 2:
            self.others.append(self.cluster.add_node(**_SMALL))


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        nodes = Nodes()
        try:
            yield nodes
        finally:
            ray.shutdown()
            nodes.cluster.shutdown()


def owner_of(folder: Path) -> int:
    """Number of the process that has a folder; 0 while none has."""
    holder = holder_in(owner_path(folder, newest_number(folder)))
    return holder.process if holder is not None else 0
