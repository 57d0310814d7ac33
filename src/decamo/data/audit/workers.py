"""Work on untrusted files in processes whose death is survived and named."""

import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any

from decamo.data.deaths import LEAVE_S, cause_of_death, is_kill, kill
from decamo.data.waiting import LISTEN_S, NOBODY, Ear
from decamo.errors import DataError
from decamo.system import clean_context, ignore_stop_signals

__all__ = ["Lost", "Work", "each_answer", "in_processes"]

Work = Callable[..., dict[str, Any]]

_TRIES = 3  # of a task whose process was killed
_START_S = 120.0  # a cold start imports the whole package from what may be a slow disk
_BLINK = 5.0  # seconds between two looks; beyond, the whole job stood still, as after Ctrl-Z


@dataclass(frozen=True)
class Lost:
    """A task without an answer, and why: the process died, hung, or ran into an exception.

    Attributes:
        reason: for people.
        late: whether it took too long.
    """

    reason: str
    late: bool = False


def in_processes(
    work: Work,
    tasks: Sequence[tuple[str, ...]],
    *,
    workers: int,
    timeout_s: float = 60.0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    ear: Ear = NOBODY,
) -> list[dict[str, Any] | Lost]:
    """Call ``work(*task)`` for every task in other processes.

    A process has one task at a time, so that its death names the task; a new one takes its place.
    One that was killed (by hand, or for want of memory) says nothing of its task, which is tried
    again.
    Answers travel as JSON and not as pickles: a process that a hostile file took over can tell
    lies, but cannot make this one run anything.

    Args:
        work: a module's function; what it returns must be plain JSON.
        tasks: the arguments of each call.
        workers: processes; at least one is used.
        timeout_s: longest time for one task; the process is then killed.
        on_progress: called in this thread after each task with (done, total).
        ear: listened to meanwhile.

    Returns:
        An answer for each task, in their order.

    Raises:
        DataError: the processes do not even start.
        StopAsked: there was a reason to stop.
    """
    answers: list[dict[str, Any] | Lost | None] = [None] * len(tasks)
    every = ((number, *task) for number, task in enumerate(tasks))
    found = each_answer(work, every, workers=workers, timeout_s=timeout_s, ear=ear)
    for done, ((number, *_), answer) in enumerate(found, start=1):
        answers[number] = answer
        on_progress(done, len(tasks))
    return [answer for answer in answers if answer is not None]


Task = tuple[Any, ...]


def each_answer(
    work: Work,
    tasks: Iterable[Task],
    *,
    workers: int,
    timeout_s: float = 60.0,
    ear: Ear = NOBODY,
) -> Iterator[tuple[Task, dict[str, Any] | Lost]]:
    """As :func:`in_processes`, each answer as it comes, so that only a few of a million are held.

    Args:
        work: called without the first of a task, which is the caller's.
        tasks: each its number or name, and the arguments of the call; taken as there is room.
        workers: as above.
        timeout_s: as above.
        ear: as above.

    Yields:
        A task and its answer.

    Raises:
        DataError: the processes do not even start.
        StopAsked: there was a reason to stop.
    """
    crew = _Crew(work, tasks, max(1, workers), timeout_s)
    try:
        crew.hire(len(crew.again))
        while crew.answers_due:
            crew.round()
            while crew.answers:
                yield crew.answers.popleft()
            ear.heed()
    finally:
        crew.dismiss()


@dataclass(eq=False)
class _Hand:
    process: Any
    pipe: Connection
    deadline: float
    ready: bool = False
    task: Task | None = None


class _Crew:
    def __init__(self, work: Work, tasks: Iterable[Task], most: int, timeout_s: float) -> None:
        self.work, self.most, self.timeout_s = work, most, timeout_s
        self.answers: deque[tuple[Task, dict[str, Any] | Lost]] = deque()
        self.tasks, self.again = iter(tasks), deque[Task]()
        self._fill()
        self.hands: list[_Hand] = []
        self.killed: Counter[Any] = Counter()
        self.looked = time.monotonic()
        # A fork of this process could inherit a lock that some thread of torch or rich holds
        self.context: Any = clean_context([work.__module__])

    @property
    def answers_due(self) -> bool:
        return bool(self.again) or any(hand.task is not None for hand in self.hands)

    def _fill(self) -> None:
        """Have a task ready for each process, so that it is known whether there are any."""
        self.again.extend(islice(self.tasks, max(0, self.most - len(self.again))))

    def hire(self, count: int) -> None:
        for _ in range(count):
            try:
                ours, theirs = self.context.Pipe()
                process = self.context.Process(target=_serve, args=(theirs, self.work), daemon=True)
                try:
                    process.start()
                except BaseException:
                    ours.close()
                    raise
                finally:
                    theirs.close()
            except (OSError, EOFError, RuntimeError, MemoryError, AssertionError) as error:
                if not self.hands:
                    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                    raise _no_start(reason) from error
                return  # those that there are do it
            self.hands.append(_Hand(process, ours, time.monotonic() + _START_S))

    def round(self) -> None:
        """Hand out work, then wait for the first thing to happen."""
        for hand in list(self.hands):
            if hand.ready and hand.task is None and self.again:
                self._give(hand, self.again.popleft())
                self._fill()
        busy = [hand for hand in self.hands if hand.task is not None or not hand.ready]
        now = time.monotonic()
        if (slept := now - self.looked - _BLINK) > 0:
            for hand in busy:
                hand.deadline += slept
        self.looked = now
        patience = min((hand.deadline for hand in busy), default=0) - now
        spoke = wait([hand.pipe for hand in busy], min(max(0.0, patience), LISTEN_S))
        for hand in busy:
            if hand.pipe in spoke:
                self._hear(hand)
            elif time.monotonic() >= hand.deadline:
                self._lose(hand, f"reading it took longer than {self.timeout_s:g} s", late=True)

    def _give(self, hand: _Hand, task: Task) -> None:
        hand.task, hand.deadline = task, time.monotonic() + self.timeout_s
        try:
            hand.pipe.send_bytes(json.dumps(task[1:]).encode())
        except OSError:
            self._lose_or_retry(hand)

    def _hear(self, hand: _Hand) -> None:
        try:
            answer = json.loads(hand.pipe.recv_bytes())
        except (EOFError, OSError, ValueError):
            self._lose_or_retry(hand)
            return
        if not hand.ready:
            hand.ready = True
        elif hand.task is not None:
            answer = answer if isinstance(answer, dict) else Lost(str(answer))
            self.answers.append((hand.task, answer))
            hand.task = None

    def _lose_or_retry(self, hand: _Hand) -> None:
        """A process has died: of its task, or because somebody killed it."""
        reason, task = _death(hand), hand.task
        if task is not None and is_kill(hand.process.exitcode):
            self.killed[task[0]] += 1
            if self.killed[task[0]] < _TRIES:
                self.again.appendleft(task)
                self.hands.remove(hand)
                _end(hand)
                self.hire(1)
                return
        self._lose(hand, reason)

    def _lose(self, hand: _Hand, reason: str, late: bool = False) -> None:
        if hand.task is None:
            raise _no_start(reason)
        self.answers.append((hand.task, Lost(reason, late)))
        self.hands.remove(hand)
        _end(hand)
        if self.again:
            self.hire(1)

    def dismiss(self) -> None:
        for hand in self.hands:
            _end(hand)
        self.hands.clear()


def _no_start(reason: str) -> DataError:
    return DataError(
        "decamo data audit", f"the reading processes do not start ({reason})",
        "free memory, see `ulimit -u`; in a script guard `__name__ == '__main__'`",
    )  # fmt: skip


def _end(hand: _Hand) -> None:
    hand.pipe.close()
    kill(hand.process)  # one that a disk holds on to is left behind


def _death(hand: _Hand) -> str:
    hand.process.join(LEAVE_S)
    return f"the reading process {cause_of_death(hand.process.exitcode)}"


def _serve(pipe: Connection, work: Work) -> None:
    ignore_stop_signals()  # they are for the parent, which ends us
    pipe.send_bytes(b"null")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # C libraries complain about files there
    while True:
        try:
            task = json.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        try:
            answer = json.dumps(work(*task)).encode()
        except Exception as error:  # whatever it is, it belongs to this file
            answer = json.dumps(f"{type(error).__name__}: {error}").encode()
        pipe.send_bytes(answer)
