"""Memory that a process frees stays with it: its next sample or step needs as much."""

import ctypes
import os
from functools import cache

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEPT = 64 * 2**20  # B that may lie free at the end of the heap
_ALL = -1  # nothing is ever given back from there
_FROM_HEAP = 32 * 2**20  # B; the most that glibc allows
_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


@cache
def keep_freed_memory(*, trains: bool = False) -> bool:
    """Tell glibc to keep up to 64 MiB that were freed; anything else allocates as it does.

    A sample takes a dozen arrays of some megabytes. By itself glibc hands most of them back to the
    kernel, which fills each page with zeros before it gives it out again: 400 to 700 faults a
    sample, a quarter of its time; up to 40,000 a training step of a small network, a fifteenth. It
    is a setting of the whole process, so only one that does nothing but read or train asks for it.
    Who has set glibc's own variables keeps them.

    Args:
        trains: keep all of it: whatever a step frees, the next one takes.

    Returns:
        Whether it was set.
    """
    if any(name in os.environ for name in _SETTINGS):
        return False
    if "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    try:
        if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return False
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError, ValueError):  # Windows, macOS, musl
        return False
    kept = mallopt(_M_TRIM_THRESHOLD, _ALL if trains else _KEPT)
    return bool(mallopt(_M_MMAP_THRESHOLD, _FROM_HEAP) and kept)
