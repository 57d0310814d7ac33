"""The actor through which tasks on a cluster and the process that started them talk.

What a task tells goes one way, the reason to stop the other. The desk passes on bytes: what they
mean may need torch, which it is to do without. No task waits for the desk, and one that dies is
started again by Ray: progress lines may be lost with it, but no work.
"""

import pickle
import time
import uuid
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

__all__ = ["DESK_S", "LOOK_S", "DeskLine", "open_desk"]

LOOK_S = 0.25
"""Seconds between two looks, of a task for a reason to stop and at the tasks for news."""

DESK_S = 30.0
"""Seconds until the desk has answered; without an answer work goes on."""


def open_desk() -> Any:
    """One on this node, which Ray starts again where it dies."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return (
        ray.remote(_Desk)
        .options(num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here)
        .remote()
    )


class _Desk:
    """Events of tasks that nobody has fetched yet, and the reason to stop."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, bytes]] = []
        self.why = ""

    def report(self, key: str, attempt: str, events: bytes) -> str:
        self.events.append((key, attempt, events))
        return self.why

    def collect(self, why: str) -> list[tuple[str, str, bytes]]:
        self.why = why
        events, self.events = self.events, []
        return events


@dataclass
class DeskLine:
    """A task's end of the line.

    Answers come as futures: while a task waits in ``ray.get``, Ray lends its cores to another.
    """

    desk: Any
    key: str
    attempt: str = field(default_factory=lambda: uuid.uuid4().hex)
    events: list[object] = field(default_factory=list)
    why: str = ""
    _asked: float = 0.0
    _answer: "Future[str] | None" = None

    def begin(self) -> str:
        """Say that the task begins; the reason to stop, if there is one already."""
        self._ask()
        self._hear(DESK_S)
        return self.why

    def tell(self, what: object) -> None:
        """Keep it until the next look."""
        self.events.append(what)

    def stop(self) -> str:
        """Look, without waiting."""
        self._hear(0.0)
        if self._answer is None and time.monotonic() - self._asked >= LOOK_S:
            self._ask()
        return self.why

    def end(self) -> None:
        """Wait until all that was sent has arrived; the rest goes with what the task found."""
        self._hear(DESK_S)

    def _ask(self) -> None:
        self._asked = time.monotonic()
        events, self.events = pickle.dumps(self.events), []
        self._answer = self.desk.report.remote(self.key, self.attempt, events).future()

    def _hear(self, seconds: float) -> None:
        if self._answer is None or not (self._answer.done() or seconds):
            return
        # Without an answer, for the desk has died or is slow, the task goes on.
        with suppress(RayError, TimeoutError):
            self.why = self.why or self._answer.result(seconds)
        if self._answer.done():
            self._answer = None
