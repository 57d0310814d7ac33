"""One process of a crew: this side of its socket pair, which never blocks, and its tasks."""

import contextlib
import pickle
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from decamo.data.answering import CHUNK, framed, frames, serve
from decamo.data.deaths import kill
from decamo.system import stop_signals

__all__ = ["Hand", "Task", "start_hand"]

T = TypeVar("T")


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
    process = context.Process(target=serve, args=(theirs, work, closed), daemon=True)
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
