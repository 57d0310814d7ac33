import os
import signal
import time
from typing import Any

import pytest

from decamo.data.audit.workers import Lost, in_processes
from decamo.errors import DataError
from decamo.system import clean_context


def work(word: str, other: str = "") -> dict[str, Any]:
    if word == "exit":
        os._exit(3)
    if word == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "hang":
        time.sleep(600)
    if word == "raise":
        raise ValueError("not this one")
    if word == "unplain":
        return {"is": object()}
    return {"word": word + other, "process": os.getpid()}


class Unborn:
    """Work that cannot even be unpickled in the other process."""

    def __call__(self, *_: str) -> dict[str, Any]:
        return {}

    def __setstate__(self, _: object) -> None:
        os._exit(9)

    def __getstate__(self) -> dict[str, int]:
        return {"a": 1}


def test_answers_come_in_the_order_of_tasks_from_other_processes() -> None:
    seen = []
    tasks = [(str(n), "!") for n in range(20)]
    answers = in_processes(work, tasks, workers=2, on_progress=lambda *done: seen.append(done))
    told = [answer for answer in answers if isinstance(answer, dict)]
    assert [answer["word"] for answer in told] == [f"{n}!" for n in range(20)]
    assert os.getpid() not in {answer["process"] for answer in told}
    assert seen == [(n, 20) for n in range(1, 21)]


def test_no_task_needs_no_process() -> None:
    assert in_processes(work, [], workers=4) == []


def test_names_that_are_no_text_travel() -> None:
    name = os.fsdecode(b"caf\xe9")
    (answer,) = in_processes(work, [(name,)], workers=1)
    assert isinstance(answer, dict)
    assert answer["word"] == name


@pytest.mark.parametrize("count", [1, 2])
def test_what_kills_a_process_is_named_and_the_rest_is_done(count: int) -> None:
    words = ["a", "exit", "b", "segfault", "exit", "raise", "unplain", "hang", "c"]
    answers = in_processes(work, [(w,) for w in words], workers=count, timeout_s=1.5)
    told = {
        word: answer.reason if isinstance(answer, Lost) else answer["word"]
        for word, answer in zip(words, answers, strict=True)
    }
    assert (told["a"], told["b"], told["c"]) == ("a", "b", "c")
    assert "exit code 3" in told["exit"]
    assert "SIGSEGV" in told["segfault"]
    assert told["raise"] == "ValueError: not this one"
    assert told["unplain"].startswith("TypeError")
    assert "longer than 1.5 s" in told["hang"]


def test_processes_that_do_not_start_are_an_error_and_not_a_loop() -> None:
    unborn = Unborn()
    with pytest.raises(DataError, match="do not start"):
        in_processes(unborn, [("a",)], workers=1)


def test_few_processes_do_where_no_more_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    real, started = clean_context(), list[int]()

    class Context:
        """A system that has room for one process."""

        Pipe = staticmethod(real.Pipe)

        @staticmethod
        def Process(**how: Any) -> Any:  # noqa: N802 - multiprocessing's own name
            started.append(1)
            if len(started) in (2, 3):
                raise BlockingIOError(11, "Resource temporarily unavailable")
            return real.Process(**how)  # type: ignore[attr-defined]

    monkeypatch.setattr("decamo.data.audit.workers.clean_context", lambda _: Context)
    answers = in_processes(work, [(w,) for w in "abcd"], workers=3)
    assert [a["word"] for a in answers if isinstance(a, dict)] == list("abcd")
    started[:] = [1]
    with pytest.raises(DataError, match=r"do not start .Resource temporarily unavailable"):
        in_processes(work, [("a",)], workers=1)


def test_a_job_that_was_suspended_loses_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour of Ctrl-Z no process has had an hour."""
    real, away = time.monotonic, [0.0]
    monkeypatch.setattr("decamo.data.audit.workers.time.monotonic", lambda: real() + away[0])

    def stops(done: int, total: int) -> None:
        away[0] += 3600

    answers = in_processes(work, [(w,) for w in "abcdef"], workers=2, on_progress=stops)
    assert [a["word"] for a in answers if isinstance(a, dict)] == list("abcdef")
