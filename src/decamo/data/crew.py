"""Processes that answer tasks: a dead one is replaced and named, and nobody waits for it deafly.

Tasks and answers travel as pickles over socket pairs and nothing else: no queue, lock or semaphore
of ``multiprocessing``, all of which need room in ``/dev/shm``. This side of each pair never blocks,
so that a process that was killed, stopped or stuck in the middle of an answer holds up nothing. The
other side is in :mod:`decamo.data.worker_process`.
"""

import atexit
import contextlib
import multiprocessing
import multiprocessing.util
import os
import pickle
import selectors
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from decamo.data.deaths import LEAVE_S, Crash, cause_of_death, doing, is_crash, is_kill, oom_kills
from decamo.data.worker_process import Answer, Hand, Task, start_hand

__all__ = [
    "Crew",
]

T = TypeVar("T")
R = TypeVar("R")

_CALM = 50  # answers in a row after which deaths are forgotten
_TRIES = 2  # of a task that a process crashed on: a third one would go the same way


class Crew(Generic[T, R]):
    """Some processes, each with one task in hand and one waiting.

    Each task that is given is answered once, whatever becomes of the processes, unless nobody is
    left (:attr:`lost`) or it ends in a :class:`Crash`.

    Args:
        work: called with a task in another process; picklable where processes are not forked.
        workers: processes.
        ahead: tasks that a process has been given at most.
        method: how processes start; None: as the platform does by default.
        preload: modules that a fork server imports once for all.
        what: the processes are called, for people.

    Attributes:
        notes: lines to tell, oldest first; whoever tells them takes them out.
        workers: processes that there are to be; fewer after deaths, never more.
    """

    def __init__(
        self,
        work: Callable[[T], R],
        workers: int,
        *,
        ahead: int = 2,
        method: str | None = None,
        preload: tuple[str, ...] = (),
        what: str = "reading process",
    ) -> None:
        self.notes: list[str] = []
        self.workers = workers
        self._most, self._ahead, self._what, self._work = workers, ahead, what, work
        self._context: Any = multiprocessing.get_context(method)
        if self._context.get_start_method() == "forkserver" and preload:
            self._context.set_forkserver_preload(list(preload))
        self._waiting: deque[Task[T]] = deque()
        self._hands: list[Hand[T]] = []
        self._open: set[int] = set()  # numbers that were given and are not answered
        self._hedged: set[int] = set()  # those of them that several processes have been given
        self._alone: set[int] = set()  # of which one is left
        self._stuck: set[int] = set()  # numbers that a process which cannot be killed may yet write
        self._come: list[Answer[R]] = []
        self._selector = selectors.DefaultSelector()
        self._strikes, self._calm, self._oom = 0, 0, oom_kills()
        self._owner = os.getpid()
        _OPEN.add(self)

    @property
    def lost(self) -> bool:
        """Whether no process is left and none will be started."""
        return not self.workers

    def give(self, number: int, payload: T, spare: T | None = None) -> None:
        """Add a task.

        Args:
            number: its own; no other that is not answered yet has it.
            payload: what the work is called with.
            spare: is used instead where another process, still alive, may have the task too.
        """
        self._open.add(number)
        self._waiting.append(Task(number, payload, payload if spare is None else spare))
        self._hire()
        self._deal()

    def unfinished(self) -> list[tuple[int, T]]:
        """The tasks that nobody has answered, oldest first, with their spare payload."""
        tasks = {task.number: task.spare for task in self._tasks()}
        return sorted((n, spare) for n, spare in tasks.items() if n in self._open)

    def poll(self, seconds: float) -> list[Answer[R]]:
        """Hand out tasks, and return what was answered within so many seconds.

        Raises:
            Crash: two processes died of one task, which is given up; the others go on, and what was
                answered meanwhile comes with the next call.
        """
        self._hire()
        self._deal()
        if self._hands:
            for key, events in self._selector.select(0.0 if self._come else seconds):
                hand: Hand[T] = key.data
                # one that was heard just now may have had this one sent home
                if events & selectors.EVENT_WRITE and hand in self._hands:
                    hand.send()
                    self._listen(hand)
                if events & selectors.EVENT_READ and hand in self._hands:
                    self._receive(hand)
            self._deal()
        answers, self._come = self._come, []
        return answers

    def holds(self, number: int) -> bool:
        """Whether some process may still be at work on a task."""
        return number in self._stuck or any(hand.has(number) for hand in self._hands)

    def state_of(self, number: int) -> str:
        """What the process that has a task is doing, in words; empty where nobody knows."""
        for hand in self._hands:
            if hand.has(number):
                return doing(hand.process.pid) if hand.ready else "its process is still starting"
        return ""

    def starts(self, number: int) -> bool:
        """Whether the process that has a task is still starting."""
        holders = [hand for hand in self._hands if hand.has(number)]
        return bool(holders) and not any(hand.ready for hand in holders)

    def hedge(self, number: int) -> bool:
        """Give a task to one more process as well; whoever answers first counts.

        Returns:
            Whether there is one more; not where the task is answered, or no process starts.
        """
        task = next((task for task in self._tasks() if task.number == number), None)
        if task is None or number not in self._open or (extra := self._start()) is None:
            return False
        self._hedged.add(number)
        self._waiting = deque(other for other in self._waiting if other.number != number)
        self._give(extra, replace(task, payload=task.spare))
        return True

    def drop(self, number: int) -> None:
        """End every process that still has a task which was answered; its others go elsewhere."""
        for hand in list(self._hands):
            if hand.has(number):
                self._end(hand)
        while len(self._hands) > self.workers:  # one more was started for it
            self._end(self._last())

    def close(self) -> None:
        """End all processes."""
        if os.getpid() != self._owner:
            return  # a forked copy: the processes are not its own
        for hand in self._hands:
            with contextlib.suppress(Exception):
                hand.process.kill()
        for hand in list(self._hands):
            self._end(hand)
        self._selector.close()
        self._waiting.clear()
        self._come.clear()
        self.workers = 0

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            if self._hands:
                self.close()

    def _tasks(self) -> list[Task[T]]:
        return [*(task for hand in self._hands for task in hand.tasks), *self._waiting]

    # ------------------------------------------------------------ processes

    def _hire(self) -> None:
        wanted = min(self.workers, len(self._waiting) + len(self._hands))
        while len(self._hands) < wanted:
            if self._start() is None:
                return
        alone, self._alone = self._alone & self._open, set()
        for number in sorted(alone) if self.workers else ():
            self.hedge(number)

    def _start(self) -> Hand[T] | None:
        lines = [hand.pipe for crew in list(_OPEN) for hand in crew._hands]
        try:
            hand = start_hand(self._context, self._work, lines)
        except (OSError, EOFError, RuntimeError, MemoryError, AssertionError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            event = f"a {self._what} does not start ({reason})"
            self._shrink_to(len(self._hands), event, "the others go on")
            return None
        self._hands.append(hand)
        self._selector.register(hand.pipe, selectors.EVENT_READ, hand)
        return hand

    def _bury(self, hand: Hand[T]) -> None:
        """A process has died: say why, and give its tasks to others."""
        hand.process.join(LEAVE_S)
        code = hand.process.exitcode
        killed = oom_kills()
        starved, self._oom = is_kill(code) and killed > self._oom, killed
        reason = cause_of_death(code, starved)
        first = hand.tasks[0] if hand.ready and hand.tasks else None
        given_up = False
        if first is not None and is_crash(code):
            first.crashes += 1
            given_up = first.crashes >= _TRIES and first.number in self._open
            if given_up:
                self._settle(first.number)
        self._end(hand)
        self._strike(f"a {self._what} {reason}", weight=2 if starved else 1)
        if first is not None and given_up:
            raise Crash(first.number, f"{first.crashes} processes in turn {reason}")

    def _strike(self, event: str, weight: int, otherwise: str = "another takes its place") -> None:
        """After one death as many processes go on; after several in short time fewer."""
        self._strikes += weight
        self._calm = 0
        self._shrink_to(max(self._most + 1 - self._strikes, 0), event, otherwise)

    def _shrink_to(self, workers: int, event: str, otherwise: str) -> None:
        before = self.workers
        self.workers = min(before, workers)
        while len(self._hands) > self.workers:
            self._end(self._last())
        if self.workers == 0:
            way = "this process does their work"
        elif self.workers < before:
            way = f"{self.workers} of {before} go on"
        else:
            way = otherwise
        self.notes.append(f"{event}: {way}; nothing is lost")

    def _last(self) -> Hand[T]:
        """The process whose work is needed last."""
        return max(self._hands, key=lambda hand: hand.tasks[0].number if hand.tasks else -1)

    def _end(self, hand: Hand[T]) -> bool:
        """Kill a process, forget it, and give what it had to others; False if it cannot die."""
        self._hands.remove(hand)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(hand.pipe)
        gone = hand.end()
        tasks, hand.tasks = hand.tasks, deque()  # what it may have answered as well is done again
        if not gone:
            self._stuck.update(task.number for task in tasks)
            for task in tasks:
                task.payload = task.spare
        self._put_back(tasks)
        return gone

    def _put_back(self, tasks: Iterable[Task[T]]) -> None:
        """Tasks that are to be done after all, unless another process has them as well.

        That may be the one whose answer was long in coming; then there is to be one more again.
        """
        tasks = [task for task in tasks if task.number in self._open]
        known = {task.number for task in self._tasks()}
        self._alone |= {task.number for task in tasks} & known & self._hedged
        fresh = [task for task in tasks if task.number not in known]
        self._waiting = deque(sorted((*self._waiting, *fresh), key=lambda task: task.number))

    # ------------------------------------------------------------ messages

    def _deal(self) -> None:
        """Give each process what it has room for, the oldest task to the one with least to do."""
        self._waiting = deque(task for task in self._waiting if task.number in self._open)
        while self._waiting:
            free = [hand for hand in self._hands if len(hand.tasks) < self._ahead]
            if not free:
                return
            hand = min(free, key=lambda one: len(one.tasks))
            task = self._waiting.popleft()
            self._give(hand, task)

    def _give(self, hand: Hand[T], task: Task[T]) -> None:
        hand.give(task)
        self._listen(hand)

    def _listen(self, hand: Hand[T]) -> None:
        """Hear of a process's answers, and of room for what it is to get."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if hand.out else 0)
        self._selector.modify(hand.pipe, wanted, hand)

    def _receive(self, hand: Hand[T]) -> None:
        messages, ended = hand.receive()
        for message in messages:
            self._heard(hand, message)
        if ended and hand in self._hands:
            self._bury(hand)

    def _heard(self, hand: Hand[T], message: bytes) -> None:
        if not hand.ready:
            hand.ready = True
            return
        answer: Answer[R] = pickle.loads(message)
        task = next((task for task in hand.tasks if task.number == answer.number), None)
        if task is None:  # the process was sent home over an earlier answer: others do it
            return
        hand.tasks.remove(task)
        if answer.number not in self._open:  # another process was quicker
            return
        if isinstance(answer.error, MemoryError):
            self._put_back([task])
            event = f"a {self._what} found too little memory"
            self._strike(event, weight=2, otherwise="it is tried again")
            return
        self._settle(answer.number)
        self._come.append(answer)
        self._calm += 1
        if self._calm >= _CALM:
            self._strikes = 0

    def _settle(self, number: int) -> None:
        """Nothing more is to come of a task."""
        self._open.discard(number)
        self._hedged.discard(number)


_OPEN: "weakref.WeakSet[Crew[Any, Any]]" = weakref.WeakSet()


@atexit.register  # after multiprocessing.util has, so that it runs before
def _close_all() -> None:
    """Before multiprocessing, which would ask them by a signal that they ignore, and then wait."""
    for crew in list(_OPEN):
        with contextlib.suppress(Exception):
            crew.close()
