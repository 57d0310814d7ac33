"""Why a process died, in true words; and one that cannot die holds nobody up."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from decamo.data import deaths
from decamo.data.deaths import NO_MEMORY, cause_of_death, doing, is_crash, is_kill, kill

# Python 3.12 warns of every fork beside threads, which is how processes start on Linux by default
pytestmark = pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")


@pytest.mark.parametrize(
    ("code", "starved", "words", "crash"),
    [
        (-9, True, "was killed for want of memory", False),
        (-9, False, "was killed (SIGKILL; by hand, or for want of memory)", False),
        (-7, False, "died of SIGBUS", True),
        (-11, True, "died of SIGSEGV", True),
        (-15, False, "died of SIGTERM", False),
        (-40, False, "died of signal 40", False),
        (1, False, "ended with exit code 1", True),
        (0xC0000005, False, "ended with exit code 3221225477", True),
        (0, False, "ended with exit code 0", False),
        (NO_MEMORY, False, "found too little memory", False),
        (None, False, "closed its line and did not end", False),
    ],
)
def test_an_exit_code_in_words(code: int | None, starved: bool, words: str, crash: bool) -> None:
    assert cause_of_death(code, starved) == words
    assert is_crash(code) == crash
    assert is_kill(code) == (code == -9)


def test_it_can_be_imported_where_signals_are_missing() -> None:
    """Windows has neither SIGKILL nor SIGBUS."""
    script = "import signal; del signal.SIGKILL, signal.SIGBUS, signal.SIGHUP, signal.SIGXCPU;"
    script += "from decamo.data.deaths import cause_of_death as c; print(c(1), c(None), c(-9))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ended with exit code 1 closed its line and did not end was")


def test_what_a_process_is_doing() -> None:
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    until = time.monotonic() + 20
    while doing(process.pid) != "its process was stopped (SIGSTOP)":
        assert time.monotonic() < until
    assert kill(process), "a stopped process can be killed"
    assert doing(2**22 + 1) == ""
    assert multiprocessing.active_children() == []


def test_a_process_that_cannot_die_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deaths, "LEAVE_S", 0.01)
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    with monkeypatch.context() as patch:
        patch.setattr(type(process), "kill", lambda self: None)
        assert not kill(process)
    assert multiprocessing.active_children() == [], "or the interpreter would wait for it"
    process.kill()  # SIGTERM it may ignore, as it was forked from what may do so
    process.join()
