"""What a process does with tasks, and that it leaves when its parent is gone."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from decamo.data import worker_process
from decamo.data.worker_process import Answer, framed, frames, serve_tasks


def test_messages_come_apart_however_they_arrive() -> None:
    sent = [b"", b"a", b"b" * 1000, b"", b"c" * 7]
    stream = b"".join(framed(message) for message in sent)
    for step in (1, 7, 8, 9, 500, len(stream)):
        got, heard = bytearray(), list[bytes]()
        for at in range(0, len(stream), step):
            got += stream[at : at + step]
            heard += frames(got)
        assert heard == sent
        assert not got


class _OneWay(Exception):
    """Can be packed and not unpacked, as some libraries' errors."""

    def __init__(self, path: str, line: int) -> None:
        super().__init__(f"{path} is odd")


def _cannot_pack(_: object) -> Any:
    return threading.Lock()


def _no_room(_: object) -> Any:
    class Full:
        def __reduce__(self) -> Any:
            raise MemoryError("no room to pack")

    return Full()


def _one_way(_: object) -> Any:
    raise _OneWay("a.jpg", 3)


@pytest.mark.parametrize(
    ("work", "kind", "words"),
    [
        (_one_way, RuntimeError, "_OneWay: a.jpg is odd"),
        (_cannot_pack, RuntimeError, "TypeError: cannot pickle"),
        (_no_room, MemoryError, "no room to pack"),
        (lambda payload: 1 // payload, ZeroDivisionError, "division"),
    ],
)
def test_whatever_goes_wrong_is_an_answer(
    work: Callable[[Any], Any], kind: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "ignore_stop_signals", lambda: None)
    monkeypatch.delattr(signal, "pthread_sigmask", raising=False)
    ours, theirs = socket.socketpair()
    server = threading.Thread(target=serve_tasks, args=(theirs, work))
    with ours, theirs:
        server.start()
        ours.sendall(framed(pickle.dumps((7, 0))))
        got, heard = bytearray(), list[bytes]()
        while len(heard) < 2:
            got += ours.recv(1 << 16)
            heard += frames(got)
        ours.shutdown(socket.SHUT_RDWR)
        server.join(20)
    assert not server.is_alive()
    answer: Answer[Any] = pickle.loads(heard[1])
    assert (answer.number, answer.value) == (7, None)
    assert isinstance(answer.error, kind)
    assert words in str(answer.error)


_TWO_CREWS = """
import multiprocessing, os, signal, sys, time
from decamo.data import worker_process
from decamo.data.crew import Crew
worker_process._ORPHAN_S = 0.1

def large(number):
    return bytes(5_000_000)  # does not fit into a socket: who sends it waits for a reader

first = Crew(large, 1, method="fork")
first.give(0, 0)
second = Crew(large, 1, method="fork")  # inherits the first one's side
second.give(0, 0)
time.sleep(0.5)
for crew in (first, second):
    crew.hedge(0)  # inherit both
time.sleep(0.5)
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_process_outlives_a_parent_that_was_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _TWO_CREWS],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 4
    until = time.monotonic() + 20
    while left := [pid for pid in pids if _lives(pid)]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    os.kill(pid, 0)
    return state != "Z"
