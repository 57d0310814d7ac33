"""Who trains together: found through torch's key-value store before anything else is done.

A store of ``torchrun`` still holds what the workers wrote that it started before: a new group that
trusted it could take the address of a dead process for that of a living one, and wait for it. So
the first process calls the others by names that each of them has made up just now.
"""

import json
import os
import socket
import time
import uuid
from datetime import timedelta
from typing import Any

from torch._C._distributed_c10d import PrefixStore, TCPStore

from decamo.errors import SettingsError
from decamo.training.peers import Beat, Peers, lost

__all__ = ["JOIN_S", "join_group", "leave"]

JOIN_S = 600.0  # containers are fetched and environments unpacked on one node sooner than another
_LOOK_S = 0.05  # seconds between two looks


_joined: list[Peers] = []  # one at most: torch's process group is one for all of a process, too


def leave(peers: Peers, why: BaseException | None = None) -> None:
    """End; the others are told why, where it is before the end of the run."""
    _joined.clear()
    peers.leave(why)


def join_group(rank: int, world: int) -> Peers:
    """Find the other processes through ``MASTER_ADDR`` and ``MASTER_PORT``, once for all.

    Args:
        rank: of this process.
        world: how many there are.

    Raises:
        SettingsError: the environment does not say where process 0 answers.
        PeerLost: they are not all there within :data:`JOIN_S` seconds.
    """
    if _joined:
        return _joined[0]
    kept = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    host, port = _place_of_first(world)
    try:
        store = TCPStore(
            host,
            port,
            is_master=rank == 0 and not kept,
            timeout=timedelta(seconds=JOIN_S),
            wait_for_workers=False,
        )
        command = PrefixStore(f"decamo/{os.environ.get('TORCHELASTIC_RUN_ID', '')}", store)
        me = Beat(rank, f"{socket.gethostname()}, pid {os.getpid()}")
        deadline = time.monotonic() + JOIN_S
        name = (_convene if rank == 0 else _attend)(command, me, world, deadline)
    except RuntimeError as error:
        why = " ".join(str(error).split())[:160]
        raise lost(f"process 0 does not answer at {host}:{port} ({why})") from error
    peers = Peers(PrefixStore(name, command), command, me, world, keeps=rank == 0 and not kept)
    peers.start()
    _joined.append(peers)
    return peers


def _place_of_first(world: int) -> tuple[str, int]:
    """Where process 0 answers.

    Raises:
        SettingsError: the environment speaks of several processes, but not of that.
    """
    host, port = os.environ.get("MASTER_ADDR", ""), os.environ.get("MASTER_PORT", "")
    if not host or not port.isdecimal():
        got = f"got {world}, but MASTER_ADDR and MASTER_PORT are not set"
        remedy = "start with torchrun, or unset WORLD_SIZE to train in this process alone"
        raise SettingsError("WORLD_SIZE", got, remedy)
    return host, int(port)


def _convene(store: Any, me: Beat, world: int, deadline: float) -> str:
    """The first process calls the others by name until all have answered that call."""
    others = range(1, world)
    names: list[str] | None = None
    call = ""
    while True:
        present = [_read(store, f"hello/{rank}") for rank in others]
        if all(present):
            if present != names:  # one that was dead has been replaced
                names, call = present, uuid.uuid4().hex
                store.set(f"{call}/beat/0", me.to_json())
                store.set("call", json.dumps([call, names]))
            if store.check([f"{call}/beat/{rank}" for rank in range(world)]):
                store.set(f"{call}/go", "go")
                return call
        _in_time(deadline, f"{1 + sum(map(bool, present))} of {world} processes have come")


def _attend(store: Any, me: Beat, world: int, deadline: float) -> str:
    """Say who is here, and wait to be called by that name."""
    here = uuid.uuid4().hex
    store.set(f"hello/{me.rank}", here)
    while True:
        call, names = json.loads(_read(store, "call") or '["", []]')
        if len(names) == world - 1 and names[me.rank - 1] == here:
            store.set(f"{call}/beat/{me.rank}", me.to_json())
            if store.check([f"{call}/go"]):
                return str(call)
        _in_time(deadline, "the first process has not called")


def _read(store: Any, key: str) -> str:
    return store.get(key).decode() if store.check([key]) else ""


def _in_time(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise lost(f"{what} after {JOIN_S:.0f} s")
    time.sleep(_LOOK_S)
