"""The machines of a cluster, and what of them a task is given."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from decamo.cluster.where import Share
from decamo.errors import SettingsError

__all__ = ["Node", "device_on", "nodes_for", "settled"]


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, or a part of one.

    Attributes:
        id: by which Ray knows it.
        host: its address.
        cpus: cores that tasks may reserve.
        gpus: likewise.
        kind: of its GPUs, as Ray names them; empty for none.
    """

    id: str
    host: str
    cpus: float
    gpus: float
    kind: str = ""


def settled(share: Share, nodes: Sequence[Node], device: str, threads: int) -> Share:
    """The share with its numbers, where they were left open.

    Args:
        share: as it was asked for.
        nodes: of the cluster.
        device: ``--device``.
        threads: that the command computes with, and so each task.

    Raises:
        SettingsError: ``--device`` contradicts it.
    """
    gpus = share.gpus
    if gpus is None:
        gpus = 0.0 if device == "cpu" or not any(node.gpus for node in nodes) else 1.0
    flag = f"--gpus-per-{share.unit} {gpus:g}"
    if device == "cpu" and gpus:
        raise SettingsError("--device", f"got cpu beside {flag}", "leave one of them out")
    if device == "cuda" and not gpus:
        raise SettingsError("--device", f"got cuda beside {flag}", "give each a GPU, or use cpu")
    if device not in ("auto", "cpu", "cuda"):
        got = f"got {device} beside --on ray, which deals out the GPUs itself"
        raise SettingsError("--device", got, "give cuda")
    cpus = share.cpus
    return replace(share, gpus=gpus, cpus=(1 if gpus else threads) if cpus is None else cpus)


def device_on(nodes: Sequence[Node], share: Share, precision: str) -> str:
    """``cuda`` or ``cpu``: where a task with this share computes.

    Raises:
        SettingsError: what ``--precision auto`` means may depend on the node.
    """
    if not share.gpus:
        return "cpu"
    kinds = sorted({node.kind for node in nodes})
    if precision == "auto" and len(kinds) > 1:
        got = f"got auto, and the nodes have GPUs of several kinds: {', '.join(kinds)}"
        raise SettingsError("--precision", got, "say one that all of them have, such as fp16")
    return "cuda"


def nodes_for(nodes: Sequence[Node], share: Share) -> tuple[Node, ...]:
    """Those that could run a task with this share.

    Raises:
        SettingsError: none could: the task would wait for ever.
    """
    cpus, gpus = share.cpus or 0.0, share.gpus or 0.0
    able = tuple(node for node in nodes if cpus <= node.cpus and gpus <= node.gpus)
    if able:
        return able
    most = {"gpus": max(n.gpus for n in nodes), "cpus": max(n.cpus for n in nodes)}
    for (name, value), wanted in zip(most.items(), (gpus, cpus), strict=True):
        if wanted > value:
            got = f"got {wanted:g}, and no node of the cluster has more than {value:g}"
            remedy = f"give at most {value:g}, or start such a node first"
            if name == "cpus":
                remedy += "; where it is not given, it is the number of threads (OMP_NUM_THREADS)"
            raise SettingsError(f"--{name}-per-{share.unit}", got, remedy)
    got = f"no node has both {gpus:g} GPUs and {cpus:g} CPUs"
    raise SettingsError(f"--gpus-per-{share.unit}", got, "ask for less, or start such a node first")
