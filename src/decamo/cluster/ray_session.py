"""A Ray cluster for as long as a command runs: reached, looked at, and left again.

Only this room imports Ray. What a node runs must be what this process runs, and a task that no node
could ever take would wait for ever: both are found out before any work begins.
"""

import logging
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from decamo.cluster.nodes import Node, nodes_for
from decamo.cluster.where import OnRay, where_of
from decamo.cluster.work_terms import Software, software_here
from decamo.errors import SettingsError
from decamo.system import on_main_thread, stop_signals

__all__ = ["Node", "check_software", "connected", "nodes_for", "on_node"]

_REACH_S = 5.0  # until a cluster's head has answered
_ANSWER_S = 60.0  # until a node has started a process and run a task that does nothing
# Of an instance of our own: tasks are given paths and settings, and give back scores.
_OBJECTS = 256 * 2**20  # bytes
_START = "start one with `ray start --head`, or give --on ray for one of this machine's own"
# To an address that is given, Ray sends its token only if it is told to: it might be a stranger's.
_TOKEN = "where `ray start` says that it asks for a token, set RAY_AUTH_MODE=token here as well"
# How HTTP/2, and so the head of a Ray cluster, begins: a client's first bytes, with empty settings;
# the fourth byte of the answer says that it is the server's settings.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = 4


@contextmanager
def connected(on: OnRay) -> Iterator[tuple[Node, ...]]:
    """Reach the cluster, and leave it at the end of this block; gives the nodes that are alive.

    Where this process is connected already, as in a notebook, it stays so. Signals are handled
    as before: Ray's own handler would end the process before anything is saved.

    Raises:
        SettingsError: nobody answers, or another Ray or Python is there.
    """
    if ray.is_initialized():
        yield alive()
        return
    address = _address(on)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with _signals_kept():
        try:
            _join(address)
        except ConnectionError as error:
            got = f"{on}: {str(error).partition('. ')[0]}"
            remedy = _START if "RAY_AUTH_MODE" in os.environ else f"{_TOKEN}; else {_START}"
            raise SettingsError("--on", got, remedy) from error
        except (RuntimeError, ValueError) as error:  # above all another version of Ray or Python
            got, remedy = f"{on}: {error}", "install on every machine what one of them has"
            raise SettingsError("--on", got, remedy) from error
    try:
        yield alive()
    finally:
        ray.shutdown()


def alive() -> tuple[Node, ...]:
    """The nodes that are alive now."""
    found = []
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            kinds = [key.partition(":")[2] for key in has if key.startswith("accelerator_type:")]
            place = (node["NodeID"], node["NodeManagerAddress"])
            found.append(Node(*place, has.get("CPU", 0.0), has.get("GPU", 0.0), "".join(kinds)))
    return tuple(found)


def check_software(nodes: Sequence[Node]) -> None:
    """Make sure that all nodes run this very decamo, with this Python and torch.

    Raises:
        SettingsError: names the node and what differs there.
    """
    waiting = [ray.remote(_software).options(**on_node(node)).remote() for node in nodes]
    ours = software_here()
    for node, reference in zip(nodes, waiting, strict=True):
        try:
            theirs: Software = ray.get(reference, timeout=_ANSWER_S)
        except GetTimeoutError as error:
            got = f"node {node.host} has not answered for {_ANSWER_S:.0f} s"
            raise SettingsError("--on", got, "see `ray status`, and end that node") from error
        except RayError as error:
            last = str(error).strip().splitlines()[-1]
            got = f"decamo cannot be imported on node {node.host}: {last}"
            raise SettingsError("--on", got, _install(ours)) from error
        if differs := ours.unlike(theirs):
            raise SettingsError("--on", f"node {node.host} has {differs}", _install(ours))


def on_node(node: Node) -> dict[str, object]:
    """Options of a task that does next to nothing, and does it there."""
    there = NodeAffinitySchedulingStrategy(node.id, soft=False)
    return {"num_cpus": 0, "scheduling_strategy": there, "max_retries": 0}


def _software() -> Software:  # what is cached is no function to Ray
    return software_here()


def _install(ours: Software) -> str:
    return f"install decamo {ours.decamo} as it is here on every node, or share its folder"


def _address(on: OnRay) -> str:
    """What Ray is told: ``local``, ``auto`` or a head that answers.

    Raises:
        SettingsError: nobody answers there.
    """
    address = on.address or os.environ.get("RAY_ADDRESS", "") or "local"
    if address == "local":
        return address
    address = "" if (meant := where_of(f"ray:{address}")) is None else meant.address
    if address == "auto":
        return address
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _REACH_S) as line:
            line.sendall(_HELLO)
            heard = line.recv(_SETTINGS)
    except OSError as error:
        got = f"nobody answers at {address}: {error.strerror or error}"
        raise SettingsError("--on", got, _START) from error
    if len(heard) < _SETTINGS or heard[-1] != _SETTINGS:
        raise SettingsError("--on", f"what answers at {address} is not Ray", _START)
    return address


def _join(address: str) -> None:
    own = address == "local"  # of another's instance, nothing is ours to choose
    ray.init(
        address=address,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(_search_path())}},
        log_to_driver=False,
        logging_level=logging.ERROR,
        include_dashboard=False if own else None,
        object_store_memory=_OBJECTS if own else None,
    )


def _search_path() -> list[str]:
    """Where a node's processes look first: a checkout in a shared folder need not be installed."""
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    folders = [Path(__file__).parents[2], Path.cwd(), *(Path(entry) for entry in given)]
    return list(dict.fromkeys(str(folder.absolute()) for folder in folders))


@contextmanager
def _signals_kept() -> Iterator[None]:
    if not on_main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                with suppress(OSError, ValueError):
                    signal.signal(number, handler)
