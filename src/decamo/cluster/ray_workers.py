"""Workers on a Ray cluster: actors, each with a block or two of a few that are held.

Ray would restart an actor that died and give it its tasks again; but where its node has gone and no
other has room, they would wait while the rest stand idle. So a dead worker's blocks go to whoever
is free, and a new worker is asked for (docs/decisions/0035).
"""

import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from decamo.cluster.blocks import Blocks
from decamo.cluster.nodes import Node, device_on, nodes_for, settled
from decamo.cluster.ray_session import check_software, connected, on_node
from decamo.cluster.where import Share
from decamo.cluster.work_terms import WorkTerms, seen_files, software_here, token_in
from decamo.cluster.worker_crew import BlockWork, Needs, Workers
from decamo.errors import ClusterError, DecamoError, SettingsError
from decamo.settings.words import counted

__all__ = ["RayWorkers", "workers_on"]

Item = TypeVar("Item")
Found = TypeVar("Found")

_LOOK_S = 0.2  # between two looks at signals
_AHEAD = 2  # blocks at a worker: the next one is there when the first is done
_HELD = 4  # blocks for each worker that are under way, or done and not yet handed on
_DEATHS = 5  # at one block, after which it is not tried again
_WORTH = 4  # blocks for each worker, where their number is ours to choose: a start takes seconds
_ANSWER_S = 60.0  # until a node has looked at some files
_NO_ROOM_S = 60.0  # without any worker, after which a line says so


@dataclass(frozen=True)
class _Reply:
    """What a worker answers: something for each item, or an error that a person can mend."""

    found: Sequence[Any] = ()
    error: DecamoError | None = None
    notes: Sequence[str] = ()


class _Worker:
    """The actor."""

    def __init__(self) -> None:
        self._opened: dict[str, Callable[..., Sequence[Any]]] = {}

    def begin(self, terms: WorkTerms) -> _Reply:
        return _look(terms)

    def do(self, key: str, work: BlockWork[Any, Any], block: Sequence[Any]) -> _Reply:
        notes: list[str] = []
        try:
            if key not in self._opened:
                self._opened[key] = work.open()
            found = self._opened[key](block, notes.append)
        except DecamoError as error:
            return _Reply(error=error, notes=notes)
        return _Reply(found, notes=notes)


def _look(terms: WorkTerms) -> _Reply:
    try:
        terms.insist(ray.util.get_node_ip_address())
    except DecamoError as error:
        return _Reply(error=error)
    return _Reply()


@dataclass(eq=False)
class _Hand:
    """A worker, and the blocks that it was given, oldest first."""

    actor: Any
    born: Any
    ready: bool = False
    doing: dict[Any, int] = field(default_factory=dict)


@contextmanager
def workers_on(wanted: Workers, needs: Needs, say: Callable[[str], None]) -> Iterator["RayWorkers"]:
    """Reach the cluster and look at its nodes: their software, and whether they see the files.

    Args and errors as of :func:`~decamo.cluster.worker_crew.hired`.
    """
    reads = seen_files(needs.reads)
    folder = nullcontext() if needs.writes is None else token_in(needs.writes)
    with connected(wanted.on) as nodes, folder as token:
        device = wanted.device if needs.gpus or wanted.device != "auto" else "cpu"
        share = settled(wanted.share, nodes, device, needs.threads)
        able = nodes_for(nodes, share)
        device = device_on(able, share, wanted.precision)
        check_software(able)
        terms = WorkTerms(software_here(), Path.cwd(), reads, token)
        _check_files(able, terms)
        crew = RayWorkers(share, device, wanted.count, _room(able, share), terms, say)
        try:
            yield crew
        finally:
            crew.dismiss()


def _check_files(nodes: Sequence[Node], terms: WorkTerms) -> None:
    looks = [ray.remote(_look).options(**on_node(node)).remote(terms) for node in nodes]
    for node, look in zip(nodes, looks, strict=True):
        try:
            reply: _Reply = ray.get(look, timeout=_ANSWER_S)
        except (GetTimeoutError, RayError) as error:
            got = f"node {node.host} has not looked at its files: {_last_line(error)}"
            raise SettingsError("--on", got, "see `ray status`, and end that node") from error
        if reply.error is not None:
            raise reply.error


def _room(nodes: Sequence[Node], share: Share) -> int:
    """How many workers the cluster holds when it does nothing else."""
    parts = ((share.cpus or 0.0, "cpus"), (share.gpus or 0.0, "gpus"))
    rooms = (
        min((int(getattr(node, name) / part) for part, name in parts if part), default=1)
        for node in nodes
    )
    return max(1, sum(rooms))


class RayWorkers:
    """A :class:`~decamo.cluster.worker_crew.WorkerCrew` on a cluster that this process has joined.

    Args:
        share: of each worker.
        device: of each: ``cpu`` or ``cuda``.
        wanted: how many; None for as many as there is room and work for.
        room: how many there is room for.
        terms: that hold in each.
        say: told a line where one died, or has no room.

    Attributes:
        count: how many at most.
        device: as given.
    """

    def __init__(
        self,
        share: Share,
        device: str,
        wanted: int | None,
        room: int,
        terms: WorkTerms,
        say: Callable[[str], None],
    ) -> None:
        self.count, self.device = wanted or room, device
        self._chosen, self._say, self._terms = wanted is not None, say, ray.put(terms)
        self._make = ray.remote(_Worker).options(
            num_cpus=share.cpus, num_gpus=share.gpus, max_restarts=0, scheduling_strategy="SPREAD"
        )
        self._hands: list[_Hand] = []
        self._name: Callable[[Any], str] = str
        self._stillborn = 0
        self._idle_since: float | None = None

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
        """See the protocol."""
        several = -(-total // block)
        count = min(self.count, max(several if self._chosen else several // _WORTH, 1))
        blocks: Blocks[Item, Found] = Blocks(items, block, ordered, _HELD * count)
        held, self._name = ray.put(work), work.name
        key = hashlib.sha256(ray.cloudpickle.dumps(work)).hexdigest()
        try:
            while not blocks.over:
                heed()
                self._deal(blocks, count, key, held)
                self._collect(blocks)
                yield from blocks.ready()
        finally:
            for hand in [hand for hand in self._hands if hand.doing]:
                self._let_go(hand)

    def dismiss(self) -> None:
        """End all workers."""
        for hand in list(self._hands):
            self._let_go(hand)

    def _deal(self, blocks: Blocks[Any, Any], count: int, key: str, work: object) -> None:
        """Ask for workers that lack, and give each that is there what it has room for."""
        while len(self._hands) < count:
            actor: Any = self._make.remote()
            self._hands.append(_Hand(actor, actor.begin.remote(self._terms)))
        for ahead in range(_AHEAD):  # one to each before anyone gets a second
            for hand in self._hands:
                if hand.ready and len(hand.doing) == ahead:
                    number = blocks.take()
                    if number is None:
                        return
                    given = hand.actor.do.remote(key, work, blocks.held[number])
                    hand.doing[given] = number

    def _collect(self, blocks: Blocks[Any, Any]) -> None:
        """Wait a moment for answers, and take them in."""
        whose = {reference: hand for hand in self._hands for reference in hand.doing}
        whose |= {hand.born: hand for hand in self._hands if not hand.ready}
        if not whose:
            return
        answered, _ = ray.wait(list(whose), num_returns=len(whose), timeout=0)
        if not answered:
            answered, _ = ray.wait(list(whose), num_returns=1, timeout=_LOOK_S)
        self._grumble()
        for reference in answered:
            hand = whose[reference]
            if hand not in self._hands:  # it died with an answer before this one
                continue
            try:
                reply: _Reply = ray.get(reference)
            except RayTaskError as error:  # a mistake of ours, with its trace
                raise error.cause if isinstance(error.cause, Exception) else error from error
            except RayError as error:
                self._bury(hand, blocks, _last_line(error))
                continue
            for note in reply.notes:
                self._say(note)
            if reply.error is not None:
                raise reply.error
            if reference == hand.born:
                hand.ready = True
            else:
                blocks.finish(hand.doing.pop(reference), reply.found)
                self._stillborn = 0

    def _bury(self, hand: _Hand, blocks: Blocks[Any, Any], reason: str) -> None:
        """A worker or its node died: what it had is for others.

        Raises:
            ClusterError: not for the first time of this block, or before one had begun.
        """
        numbers = list(hand.doing.values())
        self._let_go(hand)
        for number in numbers:
            blocks.again(number)
        self._stillborn += not hand.ready
        deaths = blocks.blame(numbers[0]) if numbers else self._stillborn
        if deaths >= _DEATHS:
            items = [self._name(item) for item in blocks.held[numbers[0]]] if numbers else []
            what = " to ".join(dict.fromkeys((items[0], items[-1]))) if items else "a worker"
            got = f"{deaths} workers died on these, at last: {reason}"
            raise ClusterError(what, got, "see Ray's logs, and whether the memory suffices")
        many = sum(len(blocks.held[number]) for number in numbers)
        done = f"{counted(many, 'item')} it had" if many else "what it would have"
        self._say(f"a worker died; others do {done} ({reason})")

    def _let_go(self, hand: _Hand) -> None:
        self._hands.remove(hand)
        with suppress(RayError, ConnectionError, ValueError):
            ray.kill(hand.actor)

    def _grumble(self) -> None:
        """Say once that no worker can start."""
        now = time.monotonic()
        if any(hand.ready for hand in self._hands):
            self._idle_since = None
            return
        self._idle_since = self._idle_since or now
        if now - self._idle_since > _NO_ROOM_S:
            self._idle_since = float("inf")
            self._say("no worker has begun yet: the cluster has no room; see `ray status`")


def _last_line(error: BaseException) -> str:
    """What happened; Ray's guesses at why, which are the same every time, are left out."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    line = line.rpartition("Worker exit detail: ")[2].partition(" Some common causes")[0]
    return line.strip().rstrip(".")
