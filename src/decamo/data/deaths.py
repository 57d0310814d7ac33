"""How processes end: why one has died, what one that does not answer is doing, how to be rid of it.

What :mod:`multiprocessing` leaves open: it waits for a killed process without end, where a disk may
hold on to it, and tells why one died by a number alone.
"""

import contextlib
import errno
import multiprocessing
import multiprocessing.util
import signal
from pathlib import Path
from typing import Any

from decamo.errors import DecamoError

__all__ = [
    "LEAVE_S",
    "NO_MEMORY",
    "Crash",
    "cause_of_death",
    "doing",
    "is_crash",
    "is_kill",
    "kill",
    "oom_kills",
]

LEAVE_S = 5.0
"""Seconds for a process that was killed to be gone; one that a disk holds on to never is."""

NO_MEMORY = 64 + errno.ENOMEM
"""Exit code of a process that found no memory for a message; Python's own codes are lower."""

# Windows has neither SIGKILL nor SIGBUS; what ends there by a fault has a large exit code
_KILL = int(getattr(signal, "SIGKILL", 9))
_CRASHES = {
    int(getattr(signal, name))
    for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT")
    if hasattr(signal, name)
}


def cause_of_death(code: int | None, starved: bool = False) -> str:
    """An exit code in words.

    Args:
        code: as ``multiprocessing`` has it: a signal's number is negative; None: it did not end.
        starved: whether the kernel killed somebody for want of memory meanwhile.
    """
    if code is None:
        return "closed its line and did not end"
    if code == -_KILL:
        if starved:
            return "was killed for want of memory"
        return "was killed (SIGKILL; by hand, or for want of memory)"
    if code == NO_MEMORY:
        return "found too little memory"
    if code < 0:
        return f"died of {_signal_name(-code)}"
    return f"ended with exit code {code}"


def is_crash(code: int | None) -> bool:
    """Whether what a process worked on may have ended it; none is asked to and none is killed."""
    return code is not None and code != NO_MEMORY and (-code in _CRASHES or code > 0)


def is_kill(code: int | None) -> bool:
    """Whether it was killed: by hand, by the kernel for want of memory, or by a scheduler."""
    return code == -_KILL


def kill(process: Any) -> bool:
    """Kill a process and take its place off the table; False where a disk holds on to it.

    Args:
        process: of ``multiprocessing``; it is of no use afterwards.
    """
    with contextlib.suppress(OSError, ValueError):
        process.kill()
        process.join(LEAVE_S)
        if process.exitcode is not None:
            process.close()
            return True
        # else the interpreter would wait for it at its end, for ever
        children: set[Any] = getattr(multiprocessing.process, "_children", set())
        children.discard(process)
    return False


def doing(pid: int) -> str:
    """What a process is doing, by the kernel's account; empty where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    letter = (text.rpartition(")")[2].split() or [""])[0]
    return {
        "D": "its process waits for the disk",
        "T": "its process was stopped (SIGSTOP)",
        "t": "its process is held by a debugger",
        "R": "its process is busy with it",
        "S": "its process sleeps in it; the disk, or who writes the file, does not answer",
    }.get(letter, "")


def oom_kills() -> int:
    """Processes that the kernel killed for want of memory so far; 0 where it does not say."""
    count = 0
    for path in ("/proc/vmstat", "/sys/fs/cgroup/memory.events"):
        with contextlib.suppress(OSError, ValueError):
            for line in Path(path).read_text(encoding="ascii").splitlines():
                name, _, number = line.partition(" ")
                if name == "oom_kill":
                    count += int(number)
    return count


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # of the real-time ones only the first and the last have names
        return f"signal {number}"


class Crash(DecamoError):
    """A task that process after process died of; doing it in this one would end it as well.

    Attributes:
        number: of the task.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(number, reason, "remove what it reads, or see the system's log")
        self.number, self.reason = number, reason
