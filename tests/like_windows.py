"""``decamo`` on a Linux that lacks what Windows lacks; run as a program, it takes the same words.

Modules and functions are gone, folders cannot be opened, files that somebody reads refuse the first
rename, processes are spawned, and ``os.kill(n, 0)`` is a mistake. Spawned processes read this file
again and lack the same.
"""

import errno
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

_MODULES = ("fcntl", "resource")
_FUNCTIONS = ("sched_getaffinity", "memfd_create", "posix_fallocate", "fork")
# not SIGKILL, which the processes of Linux are ended by
_SIGNALS = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGBUS", "pthread_sigmask")
_BUSY: set[tuple[str, str]] = set()


def lack() -> None:
    """Take away what Windows has not."""
    for name in _MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for name in _FUNCTIONS:
        delattr(os, name)
    for name in _SIGNALS:
        delattr(signal, name)
    if multiprocessing.get_start_method(allow_none=True) is None:
        multiprocessing.set_start_method("spawn")
    multiprocessing.get_all_start_methods = lambda: ["spawn"]
    _refuse_others()
    _refuse_folders()
    _refuse_first_rename()
    _refuse_asking()


def _refuse_others() -> None:
    real = multiprocessing.get_context

    def get_context(method: str | None = None) -> Any:
        if method not in (None, "spawn"):
            raise ValueError(f"cannot find context for {method!r}")
        return real(method)

    multiprocessing.get_context = get_context


def _refuse_folders() -> None:
    real = os.open

    def open_(path: Any, *words: Any, **more: Any) -> int:
        if isinstance(path, str | os.PathLike) and Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *words, **more)

    os.open = open_


def _refuse_first_rename() -> None:
    real = Path.replace

    def replace(source: Path, target: Path) -> Path:
        both = str(source), str(target)
        if both not in _BUSY:
            _BUSY.add(both)
            raise PermissionError(errno.EACCES, "used by another process", str(target))
        _BUSY.discard(both)
        return real(source, target)

    Path.replace = replace  # type: ignore[method-assign,assignment]


def _refuse_asking() -> None:
    real = os.kill

    def kill(number: int, sign: int) -> None:
        assert sign, "os.kill(n, 0) is Ctrl-C there"
        real(number, sign)

    os.kill = kill


if __name__ in ("__main__", "__mp_main__"):
    lack()
    from decamo import system

    system._WINDOWS = True
    system._windows_process = lambda number: system.Process(number, "1")
    system._windows_peak = lambda: 2**27

if __name__ == "__main__":
    from decamo.cli import main

    sys.exit(main())
