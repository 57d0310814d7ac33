"""What Linux, macOS and Windows do differently, in one place.

Windows has no folders that can be opened, no ``fork``, no ``fcntl`` and no ``resource``, knows
neither SIGHUP nor SIGUSR1, refuses to replace a file that somebody reads, and takes
``os.kill(n, 0)`` for Ctrl-C. Whatever depends on one of these asks here.
"""

import contextlib
import ctypes
import errno
import importlib
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, BinaryIO

__all__ = [
    "Process",
    "boot_id",
    "cache_folder",
    "clean_context",
    "cores",
    "file_name",
    "ignore_stop_signals",
    "lock",
    "on_main_thread",
    "peak_memory",
    "pid_space",
    "process",
    "replace",
    "stop_signals",
    "sync_folder",
    "tell_torchrun",
]


def _module(name: str) -> Any:
    """A module that not every system has; None where this one has not."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


fcntl, resource, msvcrt = (_module(name) for name in ("fcntl", "resource", "msvcrt"))
_WINDOWS = os.name == "nt"
_SYSTEM = str(sys.platform)

# What asks a process to end and can be answered by saving first. SIGHUP: the terminal went away.
# SIGUSR1 and SIGUSR2: Slurm's --signal, Sun Grid Engine's -notify. SIGXCPU: the soft CPU limit.
# SIGBREAK: Ctrl-Break, and the close button of a console window on Windows.
_STOPS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGBREAK")

# A folder that cannot be synced by its name: EACCES and EPERM on Windows, EINVAL and ENOTSUP on
# SMB, 9p and FUSE mounts, EISDIR and EBADF on some others. The file itself is synced all the same.
_NO_FOLDER_SYNC = {
    getattr(errno, name, 0)
    for name in ["EACCES", "EPERM", "EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EISDIR", "EBADF"]
}
_TRIES, _PAUSE = 10, 0.1  # a virus scanner or a reader holds a file on Windows for about that long
_FAR = 2**30  # the byte to lock: one of those of the text would be hidden from readers on Windows

# Device names in any folder, with any extension (Microsoft, "Naming Files, Paths, and Namespaces")
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])", re.I)
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals of this system that ask to stop and can be answered."""
    return tuple(getattr(signal, name) for name in _STOPS if hasattr(signal, name))


def ignore_stop_signals() -> None:
    """For a process that works for another: the one that was asked to stop ends it.

    Ctrl-C, a vanished terminal and a scheduler signal the whole process group.
    """
    if on_main_thread():
        for number in stop_signals():
            signal.signal(number, signal.SIG_IGN)


def on_main_thread() -> bool:
    """Whether this thread may say what signals do."""
    return threading.current_thread() is threading.main_thread()


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory() -> int:
    """Bytes of memory that this process held at most; 0 where unknown."""
    if resource is None:
        return _windows_peak() if _WINDOWS else 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if _SYSTEM == "darwin" else peak * 1024  # kibibytes everywhere else


def cache_folder(environment: Mapping[str, str]) -> Path:
    """``decamo`` in the user's own cache folder (XDG Base Directory Specification)."""
    home = environment.get("XDG_CACHE_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".cache") / "decamo"


def clean_context(preload: Sequence[str] = ()) -> BaseContext:
    """How to start processes that inherit no lock of a thread: a fork server, else new ones.

    Args:
        preload: modules that a fork server imports once for all of them.
    """
    methods = multiprocessing.get_all_start_methods()
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def sync_folder(folder: Path) -> None:
    """Let the names in ``folder`` reach the disk, where a folder can be synced.

    Raises:
        OSError: the disk is broken or gone.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno in _NO_FOLDER_SYNC:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def replace(source: Path, path: Path, sleep: Callable[[float], None] = time.sleep) -> None:
    """Rename ``source`` to ``path``, whatever was there.

    Windows refuses while anybody has either open, a virus scanner too: it is tried again for a
    second.

    Raises:
        OSError: it was refused to the end, or could not be done.
    """
    for left in reversed(range(_TRIES if _WINDOWS else 1)):
        try:
            source.replace(path)
        except PermissionError:
            if not left:
                raise
            sleep(_PAUSE)
        else:
            return


def file_name(name: str) -> str:
    """``name`` as that of one file which every system can hold; most names stay as they are.

    Separators and what Windows forbids become ``-``; a device's name gets an underscore.
    """
    plain = _FORBIDDEN.sub("-", name)
    if plain != plain.rstrip(". "):  # Windows drops them in silence
        plain = plain.rstrip(". ") + "_"
    head, dot, rest = plain.partition(".")
    return f"{head}_{dot}{rest}" if _RESERVED.fullmatch(head.rstrip()) else plain or "_"


def lock(file: BinaryIO) -> bool | None:
    """Lock an open file until it is closed or its process is over.

    Returns:
        whether this process has it now; None where the file system knows no locks.
    """
    if fcntl is None:
        return None if msvcrt is None else _windows_lock(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@dataclass(frozen=True)
class Process:
    """A process of this machine that is not over.

    Attributes:
        number: its pid, in this process's own name space.
        started: when, in whatever unit the system counts; empty where it does not say. A later
            process of the same number has another one.
        suspended: whether it was stopped, by Ctrl-Z or SIGSTOP, and could go on.
    """

    number: int
    started: str = ""
    suspended: bool = False


def process(number: int) -> Process | None:
    """The process of that number; None where there is none, or it waits to be buried (a zombie)."""
    if number <= 0:
        return None
    if _WINDOWS:
        return _windows_process(number)
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except OSError:  # another user's
        pass
    if _SYSTEM == "linux":
        return _linux_process(number)
    return Process(number, _started_by_ps(number))


def _linux_process(number: int) -> Process | None:
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:  # hidden (hidepid), or gone just now: whoever looks next will know
        return Process(number)
    words = text.rpartition(")")[2].split()  # what precedes it is a name of any form
    if len(words) < 20:
        return Process(number)
    return None if words[0] in "ZX" else Process(number, words[19], words[0] in "Tt")


def _started_by_ps(number: int) -> str:
    words = ["ps", "-o", "lstart=", "-p", str(number)]
    environment = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(words, capture_output=True, env=environment, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return " ".join(done.stdout.decode(errors="replace").split())


def boot_id() -> str:
    """What tells this machine since it was switched on from any other; empty where unknown.

    All containers of a machine share it, whatever they call themselves.
    """
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    if _SYSTEM != "darwin":
        return ""
    words = ["sysctl", "-n", "kern.bootsessionuuid"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(words, capture_output=True, timeout=10, check=False)
        return done.stdout.decode(errors="replace").strip()
    return ""


def pid_space() -> str:
    """Names the space in which this process's pid means something; empty where there is but one."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def tell_torchrun(line: str) -> None:
    """Why this process ends, for ``torchrun``'s report, as torch's ``ErrorHandler`` writes it."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE", "")
    if path:
        extra = {"py_callstack": line, "timestamp": str(int(time.time()))}
        with contextlib.suppress(OSError):
            Path(path).write_text(json.dumps({"message": {"message": line, "extraInfo": extra}}))


# --- Windows, by its own functions: Python's have no word for these ------------------------------

_ASK = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
_STILL_ACTIVE = 259
_DENIED = 5  # ERROR_ACCESS_DENIED: it is there


def _kernel() -> Any:
    """``kernel32``, whose handles are as wide as a pointer."""
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel.OpenProcess.restype = ctypes.c_void_p
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    return kernel


def _windows_process(number: int) -> Process | None:
    kernel = _kernel()
    handle = kernel.OpenProcess(_ASK, False, number)
    if not handle:
        denied = ctypes.get_last_error() == _DENIED  # type: ignore[attr-defined,unused-ignore]
        return Process(number) if denied else None
    handle = ctypes.c_void_p(handle)
    try:
        code = ctypes.c_ulong()
        if kernel.GetExitCodeProcess(handle, ctypes.byref(code)) and code.value != _STILL_ACTIVE:
            return None
        times = (ctypes.c_ulonglong * 4)()
        at = [ctypes.byref(times, 8 * i) for i in range(4)]
        known = kernel.GetProcessTimes(handle, *at)
        return Process(number, str(times[0]) if known else "")
    finally:
        kernel.CloseHandle(handle)


def _windows_lock(file: BinaryIO) -> bool | None:
    file.seek(_FAR)
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except PermissionError:
        return False
    except OSError:
        return None
    return True


def _windows_peak() -> int:
    class Counters(ctypes.Structure):
        _fields_ = (
            ("cb", ctypes.c_ulong),
            ("faults", ctypes.c_ulong),
            ("sizes", ctypes.c_size_t * 8),
        )

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    kernel = _kernel()
    known = kernel.K32GetProcessMemoryInfo(
        ctypes.c_void_p(kernel.GetCurrentProcess()), ctypes.byref(counters), counters.cb
    )
    return int(counters.sizes[0]) if known else 0
