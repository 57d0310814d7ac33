"""A process that answers tasks, from both ends of its socket pair.

A message is its length and a pickle. The process says first that it is there, by an empty message;
then it takes one task after the other, in the order in which they came. The end on this side never
blocks, so that a process killed, stopped or stuck in the middle of an answer holds up nothing.
"""

import contextlib
import os
import pickle
import signal
import socket
import struct
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from decamo.data.deaths import NO_MEMORY, kill
from decamo.system import ignore_stop_signals, stop_signals

__all__ = ["CHUNK", "Answer", "Hand", "Task", "framed", "frames", "serve_tasks", "start_hand"]

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 1 << 20
"""Bytes that are sent or received at a time."""

_HEAD = struct.Struct("!Q")
_ORPHAN_S = 5.0  # between two looks of a process that waits at whether its parent is there


@dataclass(frozen=True)
class Answer(Generic[R]):
    """What came of a task: a value, or an error that its work raised, and how long it took."""

    number: int
    seconds: float
    value: R | None = None
    error: BaseException | None = None


def framed(message: bytes) -> bytes:
    """A message as it travels."""
    return _HEAD.pack(len(message)) + message


def frames(got: bytearray) -> Iterator[bytes]:
    """Whole messages, taken off the front of what has come."""
    while len(got) >= _HEAD.size:
        (length,) = _HEAD.unpack_from(got)
        end = _HEAD.size + length
        if len(got) < end:
            return
        frame = bytes(memoryview(got)[_HEAD.size : end])
        del got[:end]
        yield frame


def serve_tasks(
    pipe: socket.socket, work: Callable[[Any], Any], others: Iterable[socket.socket] = ()
) -> None:
    """Answer tasks until nobody is there any more.

    Args:
        pipe: this process's side.
        work: called with each task; what it raises is an answer too.
        others: what this process has inherited of its parent's: it would keep others of its kind
            from noticing that the parent is gone.
    """
    ignore_stop_signals()
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
    for other in others:
        other.close()
    line = _Line(pipe, os.getppid())
    try:
        line.put(b"")
        while True:
            number, payload = pickle.loads(line.get())
            line.put(_answered(work, number, payload))
            del payload  # it may be large, and the next one may be long in coming
    except (EOFError, OSError):  # nobody is there any more
        return
    except MemoryError:  # in the middle of a message: the line is of no use any more
        raise SystemExit(NO_MEMORY) from None


def _answered(work: Callable[[Any], Any], number: int, payload: Any) -> bytes:
    began = time.monotonic()
    try:
        answer: Answer[Any] = Answer(number, 0.0, work(payload))
    except Exception as error:
        error.add_note(f"in another process:\n{traceback.format_exc()}")
        answer = Answer(number, 0.0, None, error)
    seconds = time.monotonic() - began
    try:
        message = pickle.dumps(Answer(number, seconds, answer.value, answer.error), -1)
        if answer.error is not None:
            pickle.loads(message)  # some errors can be packed and not unpacked
    except MemoryError as error:
        return pickle.dumps(Answer(number, seconds, None, error), -1)
    except Exception as error:
        told = answer.error or error
        said = RuntimeError(f"{type(told).__name__}: {told}")
        return pickle.dumps(Answer(number, seconds, None, said), -1)
    return message


@dataclass
class _Line:
    """This process's side of a socket pair, which it leaves when its parent is gone.

    The end of the line tells that as well, but not where a process that the parent has forked
    since holds the parent's side open.
    """

    pipe: socket.socket
    parent: int

    def __post_init__(self) -> None:
        self.pipe.settimeout(_ORPHAN_S)

    def put(self, message: bytes) -> None:
        left = memoryview(framed(message))
        while left:
            left = left[self._patiently(self.pipe.send, left[:CHUNK]) :]

    def get(self) -> bytes:
        (length,) = _HEAD.unpack(self._exactly(_HEAD.size))
        return bytes(self._exactly(length))

    def _exactly(self, count: int) -> bytearray:
        got = bytearray()
        while len(got) < count:
            chunk = self._patiently(self.pipe.recv, min(count - len(got), CHUNK))
            if not chunk:
                raise EOFError
            got += chunk
        return got

    def _patiently(self, step: Callable[[T], R], what: T) -> R:
        while True:
            try:
                return step(what)
            except TimeoutError:
                if os.getppid() != self.parent:
                    raise EOFError from None


@dataclass(eq=False)
class Task(Generic[T]):
    """Something to do.

    Attributes:
        number: its own.
        payload: what the work is called with.
        spare: is used instead where another process, still alive, may have the task too.
        crashes: processes that died of it.
    """

    number: int
    payload: T
    spare: T
    crashes: int = 0


@dataclass(eq=False)
class Hand(Generic[T]):
    """A process, and this side of its socket pair.

    Attributes:
        process: of ``multiprocessing``.
        pipe: a socket that does not block.
        tasks: what it was given and has not answered, in that order, which is its own.
        out: bytes that it is to get and had no room for.
        ready: whether it has said that it is there.
    """

    process: Any
    pipe: socket.socket
    tasks: deque[Task[T]] = field(default_factory=deque)
    out: bytearray = field(default_factory=bytearray)
    ready: bool = False
    _got: bytearray = field(default_factory=bytearray)

    def has(self, number: int) -> bool:
        """Whether it was given a task and has not answered it."""
        return any(task.number == number for task in self.tasks)

    def give(self, task: Task[T]) -> None:
        """One more task, sent as far as there is room."""
        self.tasks.append(task)
        self.out += framed(pickle.dumps((task.number, task.payload), pickle.HIGHEST_PROTOCOL))
        self.send()

    def send(self) -> None:
        """Send what it is to get, as far as there is room."""
        try:
            while self.out:
                del self.out[: self.pipe.send(memoryview(self.out)[:CHUNK])]
        except BlockingIOError:
            pass
        except OSError:
            self.out.clear()  # it has died; reading will tell

    def receive(self) -> tuple[list[bytes], bool]:
        """Whole messages that have come, and whether the line has ended."""
        ended = False
        try:
            while chunk := self.pipe.recv(CHUNK):
                self._got += chunk
            ended = True
        except BlockingIOError:
            pass
        except OSError:
            ended = True
        return list(frames(self._got)), ended

    def end(self) -> bool:
        """Close the line and kill the process; False where a disk holds on to it."""
        self.pipe.close()
        return kill(self.process)


def start_hand(
    context: Any, work: Callable[[T], Any], inherited: Sequence[socket.socket] = ()
) -> Hand[T]:
    """A new process that answers tasks.

    Args:
        context: of ``multiprocessing``.
        work: what it does with each task.
        inherited: other lines of this process, which a forked one must not hold open.

    Raises:
        OSError: or EOFError, RuntimeError, MemoryError, AssertionError: it does not start.
    """
    ours, theirs = socket.socketpair()
    forks = context.get_start_method() == "fork"
    closed = [ours, *inherited] if forks else []
    process = context.Process(target=serve_tasks, args=(theirs, work, closed), daemon=True)
    try:
        with _signals_held():
            process.start()
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    ours.setblocking(False)
    return Hand(process, ours)


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
