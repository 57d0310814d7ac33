"""Tasks on a Ray cluster: many at once, begun again where a worker or a node dies."""

import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError, TaskCancelledError

from decamo.cluster.nodes import Node, device_on, nodes_for, settled
from decamo.cluster.ray_desk import DESK_S, LOOK_S, DeskLine, open_desk
from decamo.cluster.ray_session import check_software, connected, on_node
from decamo.cluster.tasks import Place, TaskLine
from decamo.cluster.where import OnRay, Share
from decamo.cluster.work_terms import Token, WorkTerms, software_here, token_in
from decamo.errors import ClusterError, DecamoError, SettingsError

__all__ = ["RayTasks", "tasks_on"]

Found = TypeVar("Found")
_ANSWER_S = 60.0  # until a node has looked at a folder
# After a reason to stop, a task that tells nothing for so long is not waited for: its node is gone,
# and no other has room. What it had saved is there for the next call.
_SILENT_S = 120.0
_RETRIES = 20  # of one task; nodes that are lent for less than an epoch would go on for ever


@dataclass(frozen=True)
class _Done(Generic[Found]):
    """What a task came to: something, an error that a person can mend, or it was not begun."""

    found: Found | None = None
    error: DecamoError | None = None
    begun: bool = True
    events: Sequence[object] = ()


def _perform(
    work: Callable[[Any, Any, TaskLine], Found],
    shared: Any,
    item: Any,
    key: str,
    desk: Any,
    terms: WorkTerms,
) -> _Done[Found]:
    line = DeskLine(desk, key)
    if line.begin():
        return _Done(begun=False)
    try:
        terms.insist(ray.util.get_node_ip_address())
        found = work(shared, item, line)
    except DecamoError as error:
        line.end()
        return _Done(error=error, events=line.events)
    line.end()
    return _Done(found, events=line.events)


def _look(token: Token) -> str:
    return token.trouble()


@contextmanager
def tasks_on(
    on: OnRay, share: Share, folder: Path, device: str, precision: str, threads: int
) -> Iterator[Place]:
    """Reach the cluster and look at its nodes: their software, and whether they see the folder.

    Args as of :func:`~decamo.cluster.tasks.place_of`.

    Raises:
        SettingsError: it cannot be reached, has no room for a task, or a node differs.
        StorageError: the folder cannot be written here.
    """
    with connected(on) as nodes, token_in(folder) as token:
        share = settled(share, nodes, device, threads)
        able = nodes_for(nodes, share)
        device = device_on(able, share, precision)
        check_software(able)
        _check_folder(able, token)
        yield Place(RayTasks(share, token), device, here=False)


def _check_folder(nodes: Sequence[Node], token: Token) -> None:
    looks = [ray.remote(_look).options(**on_node(node)).remote(token) for node in nodes]
    blind = []
    for node, look in zip(nodes, looks, strict=True):
        try:
            trouble: str = ray.get(look, timeout=_ANSWER_S)
        except (GetTimeoutError, RayError):
            trouble = "it does not answer"
        if trouble:
            blind.append(f"{node.host} ({trouble})")
    if blind:
        got = f"{token.path.parent} is not seen by {', '.join(blind)} as it is here"
        raise SettingsError("--on", got, "name a folder that all nodes share, by one path")


@dataclass(frozen=True)
class RayTasks:
    """A :class:`~decamo.cluster.tasks.Runner` on the cluster that this process is connected to.

    Attributes:
        share: of each task.
        token: in the folder that all nodes see.
    """

    share: Share
    token: Token

    def __call__(
        self,
        work: Callable[[Any, Any, TaskLine], Found],
        shared: Any,
        items: Mapping[str, Any],
        *,
        on_event: Callable[[str, object], None],
        stop: Callable[[], str],
    ) -> Iterator[tuple[str, Found]]:
        """Do the work of all items, as many at once as the cluster has room for.

        Raises:
            ClusterError: a task's worker died too often, or the cluster has gone.
            DecamoError: of a task, after the others have saved.
        """
        rounds: _Round[Found] = _Round(on_event, stop, open_desk())
        try:
            rounds.begin(self._remote(), work, shared, items, self._terms())
            yield from rounds.finish()
        finally:
            rounds.abandon()

    def _terms(self) -> WorkTerms:
        return WorkTerms(software_here(), Path.cwd(), token=self.token)

    def _remote(self) -> Any:
        return ray.remote(_perform).options(
            num_cpus=self.share.cpus,
            num_gpus=self.share.gpus,
            max_retries=_RETRIES,
            retry_exceptions=False,
            scheduling_strategy="SPREAD",
        )


@dataclass
class _Round(Generic[Found]):
    """Tasks under way."""

    on_event: Callable[[str, object], None]
    stop: Callable[[], str]
    desk: Any
    why: str = ""
    error: DecamoError | None = None
    waiting: dict[Any, str] = field(default_factory=dict)
    attempts: dict[str, set[str]] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)

    def begin(
        self, remote: Any, work: object, shared: object, items: Mapping[str, Any], terms: WorkTerms
    ) -> None:
        held, terms_held = ray.put(shared), ray.put(terms)
        for key, item in items.items():
            self.waiting[remote.remote(work, held, item, key, self.desk, terms_held)] = key

    def finish(self) -> Iterator[tuple[str, Found]]:
        while self.waiting:
            done, _ = ray.wait(list(self.waiting), num_returns=1, timeout=LOOK_S)
            self._listen()  # what happened before the end comes before it
            for reference in done:
                key = self.waiting.pop(reference)
                outcome = self._outcome(key, reference)
                if outcome is None or not outcome.begun:
                    continue
                for event in outcome.events:
                    self.on_event(key, event)
                if outcome.error is not None:
                    self.error = self.error or outcome.error
                else:
                    yield key, outcome.found  # type: ignore[misc]
        if self.error is not None:
            raise self.error

    def abandon(self) -> None:
        """Leave nothing behind, whatever ended the round."""
        if not ray.is_initialized():  # else Ray would start an instance of its own for it
            return
        with suppress(RayError, ConnectionError):
            for reference in self.waiting:
                ray.cancel(reference, force=True)
            ray.kill(self.desk)

    def _outcome(self, key: str, reference: Any) -> _Done[Found] | None:
        try:
            return ray.get(reference)
        except TaskCancelledError:
            return None
        except RayTaskError as error:  # a mistake of ours, with its trace
            raise error.cause if isinstance(error.cause, Exception) else error from error
        except RayError as error:
            if not self.why:
                lost = f"its worker or node died {_RETRIES + 1} times, at last: {error}"
                remedy = "see Ray's logs; the same command goes on"
                self.error = self.error or ClusterError(key, lost, remedy)
            return None

    def _listen(self) -> None:
        """Fetch the events of the tasks, and pass on a reason to stop."""
        first = not self.why
        self.why = self.why or self.stop() or ("another task failed" if self.error else "")
        with suppress(RayError):  # it has died, or is slow: what it holds is heard the next time
            news = ray.get(self.desk.collect.remote(self.why), timeout=DESK_S)
            for key, attempt, events in news:
                self._hear(key, attempt, pickle.loads(events))
        if self.why:
            self._let_go(first)

    def _hear(self, key: str, attempt: str, events: Sequence[object]) -> None:
        known = self.attempts.setdefault(key, set())
        if known and attempt not in known:
            self.on_event(key, "its worker or node died; it goes on from its last checkpoint")
        known.add(attempt)
        self.heard[key] = time.monotonic()
        for one in events:
            self.on_event(key, one)

    def _let_go(self, first: bool) -> None:
        """Wait for no task that has not begun, nor for one whose node is gone."""
        now = time.monotonic()
        for reference, key in list(self.waiting.items()):
            if key not in self.attempts:
                if first:
                    ray.cancel(reference)
                    self.heard[key] = now
            elif now - self.heard[key] > _SILENT_S:
                ray.cancel(reference, force=True)
                del self.waiting[reference]
