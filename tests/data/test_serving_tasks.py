"""A working process's side of its line, in a thread of this one."""

import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from decamo.data import worker_process
from decamo.data.deaths import NO_MEMORY
from decamo.data.worker_process import Answer, framed, frames, serve_tasks


class Stubborn(Exception):
    """It can be packed and not unpacked."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


def work(payload: Any) -> Any:
    if payload == "closure":
        return lambda: payload
    if payload == "stubborn":
        raise Stubborn(1, 2)
    if payload == "odd":
        raise ValueError("odd")
    return payload * 2


class Line:
    """The other side: what a crew would send and hear."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.beside, self.inherited = socket.socketpair()
        self.ours.settimeout(10)
        self.ended: list[BaseException | None] = []
        self.got = bytearray()

    def serve(self, work: Callable[[Any], Any]) -> None:
        def run() -> None:
            try:
                serve_tasks(self.theirs, work, [self.inherited])
            except SystemExit as end:
                self.ended.append(end)
            else:
                self.ended.append(None)

        self.thread = threading.Thread(target=run)
        self.thread.start()
        assert self.hear() == b""

    def hear(self) -> bytes:
        while True:
            for frame in frames(self.got):
                return frame
            chunk = self.ours.recv(1 << 16)
            assert chunk
            self.got += chunk

    def ask(self, number: int, payload: Any) -> Answer[Any]:
        self.ours.sendall(framed(pickle.dumps((number, payload))))
        answer: Answer[Any] = pickle.loads(self.hear())
        return answer


@pytest.fixture
def line() -> Iterator[Line]:
    one = Line()
    yield one
    for each in (one.ours, one.theirs, one.beside, one.inherited):
        each.close()
    one.thread.join(10)
    assert not one.thread.is_alive()


def test_each_task_has_an_answer_whatever_comes_of_it(line: Line) -> None:
    line.serve(work)
    assert line.inherited.fileno() == -1  # of its parent, which is to be seen to go
    answer = line.ask(1, "ab")
    assert (answer.number, answer.value, answer.error) == (1, "abab", None)
    assert answer.seconds >= 0
    error = line.ask(2, "odd").error
    assert isinstance(error, ValueError)
    assert "in another process" in error.__notes__[0]
    for payload, told in (
        ("stubborn", "Stubborn: 1 and 2"),
        ("closure", "PicklingError|AttributeE"),
    ):
        error = line.ask(3, payload).error
        assert type(error) is RuntimeError
        assert any(word in str(error) for word in told.split("|"))
    line.ours.close()
    line.thread.join(10)
    assert line.ended == [None]


def test_memory_that_ends_in_the_middle_of_a_message_ends_it(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object) -> bytes:
        raise MemoryError

    line.serve(work)
    monkeypatch.setattr(worker_process, "_answered", none_left)
    line.ours.sendall(framed(pickle.dumps((1, "ab"))))
    line.thread.join(10)
    (end,) = line.ended
    assert isinstance(end, SystemExit)
    assert end.code == NO_MEMORY


def test_without_its_parent_it_leaves_though_the_line_is_open(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_ORPHAN_S", 0.02)
    line.serve(work)
    line.thread.join(0.2)
    assert line.thread.is_alive()  # it looks, and its parent is there
    monkeypatch.setattr(os, "getppid", lambda: 1)
    line.thread.join(10)
    assert line.ended == [None]


def test_where_signals_cannot_be_held_back_they_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "pthread_sigmask")
    with worker_process._signals_held():
        pass
