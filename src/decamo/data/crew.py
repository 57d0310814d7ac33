"""Processes that answer tasks: a dead one is replaced and named, and nobody waits for it deafly.

Tasks and answers travel as pickles over socket pairs and nothing else: no queue, lock or semaphore
of ``multiprocessing``, all of which need room in ``/dev/shm``. This side of each pair never blocks,
so that a process that was killed, stopped or stuck in the middle of an answer holds up nothing.
"""

import atexit
import contextlib
import multiprocessing
import multiprocessing.util
import os
import pickle
import selectors
import signal
import socket
import struct
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from decamo.errors import DecamoError
from decamo.system import ignore_stop_signals, stop_signals

__all__ = ["Answer", "Crash", "Crew", "cause_of_death"]

T = TypeVar("T")
R = TypeVar("R")

_HEAD = struct.Struct("!Q")
_CHUNK = 1 << 20
_CALM = 50  # answers in a row after which deaths are forgotten
_TRIES = 2  # of a task that a process crashed on: a third one would go the same way
_LEAVE_S = 5.0  # for a process that was killed to be gone; one that a disk holds on to never is
_ORPHAN_S = 5.0  # between two looks of an idle process at whether its parent is there
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT}


class Crash(DecamoError):
    """A task that process after process died of; doing it in this one would end it as well.

    Attributes:
        number: of the task.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(number, reason, "remove what it reads, or see the system's log")
        self.number, self.reason = number, reason


@dataclass(frozen=True)
class Answer(Generic[R]):
    """What came of a task: a value, or an error that its work raised, and how long it took."""

    number: int
    seconds: float
    value: R | None = None
    error: BaseException | None = None


@dataclass(eq=False)
class _Task(Generic[T]):
    number: int
    payload: T
    spare: T
    crashes: int = 0


@dataclass(eq=False)
class _Hand(Generic[T]):
    """A process, this side of its socket pair, and what it has been given."""

    process: Any
    pipe: socket.socket
    tasks: deque[_Task[T]] = field(default_factory=deque)
    out: bytearray = field(default_factory=bytearray)
    got: bytearray = field(default_factory=bytearray)
    ready: bool = False


class Crew(Generic[T, R]):
    """Some processes, each with one task in hand and one waiting.

    Args:
        work: called with a task in another process; picklable where processes are not forked.
        workers: processes.
        ahead: tasks that a process has been given at most.
        method: how processes start; None: as the platform does by default.
        preload: modules that a fork server imports once for all.
        what: the processes are called, for people.
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
        self._waiting: deque[_Task[T]] = deque()
        self._hands: list[_Hand[T]] = []
        self._stuck: set[int] = set()  # numbers that a process which cannot be killed may yet write
        self._selector = selectors.DefaultSelector()
        self._strikes, self._calm, self._oom = 0, 0, _oom_kills()
        self._owner = os.getpid()
        _OPEN.add(self)

    @property
    def lost(self) -> bool:
        """Whether no process is left and none will be started."""
        return not self.workers

    def give(self, number: int, payload: T, spare: T | None = None) -> None:
        """Add a task.

        Args:
            number: its own.
            payload: what the work is called with.
            spare: is used instead where another process, still alive, may have the task too.
        """
        self._waiting.append(_Task(number, payload, payload if spare is None else spare))
        self._hire()
        self._deal()

    def unfinished(self) -> list[tuple[int, T]]:
        """The tasks that nobody has answered, oldest first, with their spare payload."""
        held = [task for hand in self._hands for task in hand.tasks]
        tasks = {task.number: task.spare for task in (*held, *self._waiting)}
        return sorted(tasks.items(), key=lambda item: item[0])

    def poll(self, seconds: float) -> list[Answer[R]]:
        """Hand out tasks, and return what was answered within so many seconds.

        Raises:
            Crash: two processes died of one task.
        """
        self._hire()
        self._deal()
        answers: list[Answer[R]] = []
        if not self._hands:
            return answers
        for key, events in self._selector.select(seconds):
            hand: _Hand[T] = key.data
            if events & selectors.EVENT_WRITE:
                self._send(hand)
            if events & selectors.EVENT_READ and hand in self._hands:
                answers += self._receive(hand)
        self._deal()
        return answers

    def holds(self, number: int) -> bool:
        """Whether some process may still be at work on a task."""
        held = any(task.number == number for hand in self._hands for task in hand.tasks)
        return held or number in self._stuck

    def state_of(self, number: int) -> str:
        """What the process that has a task is doing, in words; empty where nobody knows."""
        for hand in self._hands:
            if any(task.number == number for task in hand.tasks):
                return _state(hand.process.pid) if hand.ready else "its process is still starting"
        return ""

    def starts(self, number: int) -> bool:
        """Whether the process that has a task is still starting."""
        holders = [h for h in self._hands if any(task.number == number for task in h.tasks)]
        return bool(holders) and not any(hand.ready for hand in holders)

    def hedge(self, number: int) -> bool:
        """Give a task to one more process as well, so that whoever answers first counts."""
        for hand in list(self._hands):
            for task in hand.tasks:
                if task.number == number and (extra := self._start()) is not None:
                    extra.tasks.append(_Task(number, task.spare, task.spare, task.crashes))
                    self._queue(extra, extra.tasks[0])
                    return True
        return False

    def drop(self, number: int) -> None:
        """End every process that still has a task which was answered; its others go elsewhere."""
        for hand in list(self._hands):
            if any(task.number == number for task in hand.tasks):
                hand.tasks = deque(task for task in hand.tasks if task.number != number)
                if not self._end(hand):
                    self._stuck.add(number)

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
        self.workers = 0

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            if self._hands:
                self.close()

    # ------------------------------------------------------------ processes

    def _hire(self) -> None:
        wanted = min(self.workers, len(self._waiting) + len(self._hands))
        while len(self._hands) < wanted:
            if self._start() is None:
                return

    def _start(self) -> _Hand[T] | None:
        ours, theirs = socket.socketpair()
        others = [ours, *(h.pipe for h in self._hands)] if self._forks else []
        process = self._context.Process(
            target=_serve, args=(theirs, self._work, others), daemon=True
        )
        try:
            with _signals_held():
                process.start()
        except (OSError, EOFError, RuntimeError, MemoryError) as error:
            ours.close()
            theirs.close()
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self._shrink_to(len(self._hands), f"a {self._what} does not start ({reason})")
            return None
        theirs.close()
        ours.setblocking(False)
        hand = _Hand[T](process, ours)
        self._hands.append(hand)
        self._selector.register(ours, selectors.EVENT_READ, hand)
        return hand

    @property
    def _forks(self) -> bool:
        return bool(self._context.get_start_method() == "fork")

    def _bury(self, hand: _Hand[T]) -> None:
        """A process that has died: say why, and give its tasks to others."""
        hand.process.join(_LEAVE_S)
        code = hand.process.exitcode
        killed = _oom_kills()
        starved = code == -signal.SIGKILL and killed > self._oom
        self._oom = killed
        reason = cause_of_death(code, starved)
        crashed = code is not None and (-code in _CRASHES or code > 0)
        first = hand.tasks[0] if hand.ready and hand.tasks else None
        if first is not None and crashed:
            first.crashes += 1
        self._end(hand)
        self._strike(f"a {self._what} {reason}", weight=2 if starved else 1)
        if first is not None and first.crashes >= _TRIES:
            raise Crash(first.number, f"{first.crashes} processes in turn {reason}")

    def _strike(self, event: str, weight: int) -> None:
        """After one death as many processes go on; after several in short time fewer."""
        self._strikes += weight
        self._calm = 0
        self._shrink_to(max(self._most + 1 - self._strikes, 0), event)

    def _shrink_to(self, workers: int, event: str) -> None:
        before = self.workers
        self.workers = min(before, workers)
        while len(self._hands) > self.workers:
            self._end(max(self._hands, key=lambda hand: hand.tasks[0].number if hand.tasks else -1))
        if self.workers == 0:
            way = "this process does their work"
        elif self.workers < before:
            way = f"{self.workers} of {before} go on"
        else:
            way = "another takes its place"
        self.notes.append(f"{event}: {way}; nothing is lost")

    def _end(self, hand: _Hand[T]) -> bool:
        """Kill a process, forget it, and give what it had to others; False if it cannot die."""
        self._hands.remove(hand)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(hand.pipe)
        hand.pipe.close()
        gone = _killed(hand.process)
        tasks, hand.tasks = hand.tasks, deque()  # what it may have answered as well is done again
        if not gone:
            self._stuck.update(task.number for task in tasks)
            for task in tasks:
                task.payload = task.spare
        self._put_back(tasks)
        return gone

    def _put_back(self, tasks: Iterable[_Task[T]]) -> None:
        """Tasks that are to be done after all, unless another process has them as well."""
        known = {task.number for task in self._waiting}
        known |= {task.number for other in self._hands for task in other.tasks}
        fresh = [task for task in tasks if task.number not in known]
        self._waiting = deque(sorted((*self._waiting, *fresh), key=lambda task: task.number))

    # ------------------------------------------------------------ messages

    def _deal(self) -> None:
        """Give each process what it has room for, the oldest task to the one with least to do."""
        while self._waiting:
            free = [hand for hand in self._hands if len(hand.tasks) < self._ahead]
            if not free:
                return
            hand = min(free, key=lambda one: len(one.tasks))
            task = self._waiting.popleft()
            hand.tasks.append(task)
            self._queue(hand, task)

    def _queue(self, hand: _Hand[T], task: _Task[T]) -> None:
        message = pickle.dumps((task.number, task.payload), pickle.HIGHEST_PROTOCOL)
        hand.out += _HEAD.pack(len(message)) + message
        self._send(hand)

    def _send(self, hand: _Hand[T]) -> None:
        try:
            while hand.out:
                del hand.out[: hand.pipe.send(memoryview(hand.out)[:_CHUNK])]
        except BlockingIOError:
            pass
        except OSError:
            hand.out.clear()  # it has died; reading will tell
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if hand.out else 0)
        self._selector.modify(hand.pipe, wanted, hand)

    def _receive(self, hand: _Hand[T]) -> list[Answer[R]]:
        ended = False
        try:
            while chunk := hand.pipe.recv(_CHUNK):
                hand.got += chunk
            ended = True
        except BlockingIOError:
            pass
        except OSError:
            ended = True
        answers = [a for frame in _frames(hand.got) if (a := self._heard(hand, frame)) is not None]
        if ended and hand in self._hands:
            self._bury(hand)
        return answers

    def _heard(self, hand: _Hand[T], frame: bytes) -> Answer[R] | None:
        if not hand.ready:
            hand.ready = True
            return None
        answer: Answer[R] = pickle.loads(frame)
        task = next((t for t in hand.tasks if t.number == answer.number), None)
        if task is None:
            return None
        hand.tasks.remove(task)
        if isinstance(answer.error, MemoryError):
            self._put_back([task])
            self._strike(f"a {self._what} found too little memory", weight=2)
            return None
        self._calm += 1
        if self._calm >= _CALM:
            self._strikes = 0
        return answer


def cause_of_death(code: int | None, starved: bool) -> str:
    """An exit code in words.

    Args:
        code: as ``multiprocessing`` has it: a signal's number is negative.
        starved: whether the kernel killed somebody for want of memory meanwhile.
    """
    if code is None:
        return "closed its line and did not end"
    if starved:
        return "was killed for want of memory"
    if code == -signal.SIGKILL:
        return "was killed (SIGKILL; by hand, or for want of memory)"
    if code < 0:
        return f"died of {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _serve(pipe: socket.socket, work: Callable[[Any], Any], others: list[socket.socket]) -> None:
    ignore_stop_signals()
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
    for other in others:  # a forked copy would keep the others from noticing that the parent died
        other.close()
    parent = os.getppid()
    try:
        _put(pipe, b"")
        while True:
            number, payload = pickle.loads(_get(pipe, parent))
            _put(pipe, _answered(work, number, payload))
    except (EOFError, OSError):  # nobody is there any more
        return


def _answered(work: Callable[[Any], Any], number: int, payload: Any) -> bytes:
    began = time.monotonic()
    try:
        answer: Answer[Any] = Answer(number, 0.0, work(payload))
    except Exception as error:
        error.add_note(f"in another process:\n{traceback.format_exc()}")
        answer = Answer(number, 0.0, None, error)
    answer = Answer(number, time.monotonic() - began, answer.value, answer.error)
    try:
        return pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        told = RuntimeError(f"{type(error).__name__}: {error}")
        return pickle.dumps(Answer(number, answer.seconds, None, told))


def _put(pipe: socket.socket, message: bytes) -> None:
    pipe.sendall(_HEAD.pack(len(message)) + message)


def _get(pipe: socket.socket, parent: int) -> bytes:
    (length,) = _HEAD.unpack(_exactly(pipe, _HEAD.size, parent))
    return bytes(_exactly(pipe, length, parent))


def _exactly(pipe: socket.socket, count: int, parent: int) -> bytearray:
    got = bytearray()
    pipe.settimeout(_ORPHAN_S)
    while len(got) < count:
        try:
            chunk = pipe.recv(min(count - len(got), _CHUNK))
        except TimeoutError:
            if os.getppid() != parent:
                raise EOFError from None
            continue
        if not chunk:
            raise EOFError
        got += chunk
    pipe.settimeout(None)
    return got


def _frames(got: bytearray) -> Iterator[bytes]:
    """Whole messages off the front of what has come."""
    while len(got) >= _HEAD.size:
        (length,) = _HEAD.unpack_from(got)
        end = _HEAD.size + length
        if len(got) < end:
            return
        frame = bytes(got[_HEAD.size : end])
        del got[:end]
        yield frame


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Hold signals back until a forked copy ignores them: else it would take them for its own."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _killed(process: Any) -> bool:
    """Kill a process and take its place off the table; False where a disk holds on to it."""
    with contextlib.suppress(OSError, ValueError):
        process.kill()
        process.join(_LEAVE_S)
        if process.exitcode is not None:
            process.close()
            return True
        # else the interpreter would wait for it at its end, for ever
        children: set[Any] = getattr(multiprocessing.process, "_children", set())
        children.discard(process)
    return False


def _state(pid: int) -> str:
    """What a process is doing, by the kernel's account; empty where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    letter = text.rpartition(")")[2].split()[0]
    return {
        "D": "its process waits for the disk",
        "T": "its process was stopped (SIGSTOP)",
        "t": "its process is held by a debugger",
        "R": "its process is busy with it",
        "S": "its process sleeps in it; the disk, or who writes the file, does not answer",
    }.get(letter, "")


def _oom_kills() -> int:
    """Processes that the kernel killed for want of memory so far; 0 where it does not say."""
    count = 0
    for path in ("/proc/vmstat", "/sys/fs/cgroup/memory.events"):
        with contextlib.suppress(OSError, ValueError):
            for line in Path(path).read_text(encoding="ascii").splitlines():
                name, _, number = line.partition(" ")
                if name == "oom_kill":
                    count += int(number)
    return count


_OPEN: "weakref.WeakSet[Crew[Any, Any]]" = weakref.WeakSet()


@atexit.register  # after multiprocessing.util has, so that it runs before
def _close_all() -> None:
    """Before multiprocessing, which would ask them by a signal that they ignore, and then wait."""
    for crew in list(_OPEN):
        with contextlib.suppress(Exception):
            crew.close()
