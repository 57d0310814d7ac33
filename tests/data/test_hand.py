"""One side of a socket pair that never blocks, whatever the other side does."""

import multiprocessing
import os
import select
import signal
import socket
import time
from pathlib import Path

import pytest

from decamo.data.worker_process import CHUNK, Hand, Task, frames, start_hand

# Python 3.12 warns of every fork beside threads, which is how processes start on Linux by default
pytestmark = pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")


def heard(hand: Hand[bytes], count: int) -> list[bytes]:
    messages: list[bytes] = []
    until = time.monotonic() + 30
    while len(messages) < count:
        hand.send()
        messages += hand.receive()[0]
        assert time.monotonic() < until
        time.sleep(0.001)
    return messages


def wait_until_there_are(hand: Hand[bytes], count: int) -> None:
    """Until so many messages lie in the socket, which are left there."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if not select.select([hand.pipe], [], [], 1)[0]:
            continue
        there = bytearray(hand.pipe.recv(CHUNK, socket.MSG_PEEK))
        if len(list(frames(there))) >= count:
            return
        time.sleep(0.01)
    raise TimeoutError


def test_a_stopped_process_holds_up_nobody() -> None:
    hand: Hand[bytes] = start_hand(multiprocessing.get_context("fork"), len)
    heard(hand, 1)
    os.kill(hand.process.pid, signal.SIGSTOP)
    for number in range(3):
        hand.give(Task(number, bytes(5_000_000), b""))
    assert len(hand.out) > 10_000_000, "what has no room waits here"
    assert hand.receive() == ([], False)
    os.kill(hand.process.pid, signal.SIGCONT)
    assert len(heard(hand, 3)) == 3
    assert not hand.out
    assert hand.end()


def test_the_end_of_a_process_is_heard_after_its_last_answer() -> None:
    hand: Hand[bytes] = start_hand(multiprocessing.get_context("fork"), len)
    hand.give(Task(1, b"abc", b""))
    wait_until_there_are(hand, 2)
    hand.process.kill()
    hand.process.join()
    hand.give(Task(2, bytes(5_000_000), b""))
    assert not hand.out, "nobody is there to get it"
    messages, ended = hand.receive()
    assert len(messages) == 2
    assert ended
    assert [hand.has(number) for number in (1, 2, 3)] == [True, True, False]
    assert hand.end()


def test_nothing_is_left_open_where_no_process_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    context = multiprocessing.get_context("fork")

    def refused(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(context.Process, "_Popen", staticmethod(refused))
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(BlockingIOError):
        start_hand(context, len)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
