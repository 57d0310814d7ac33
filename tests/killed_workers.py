"""Not a test: what processes that Ray will kill have run is saved now and then for coverage.

Ray calls it in each worker, by a variable of the environment that ``tests/conftest.py`` sets. A
worker that waits for a task is in C++, where Python hears of no signal, and is then killed.
"""

import threading
import time

__all__ = ["HOOK", "save_now_and_then"]

HOOK = "__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR"
"""Where Ray looks for a function that each worker calls before its first task."""

_EACH_S = 0.2


def save_now_and_then() -> None:
    """Let a thread do so, where coverage is measured in this process."""
    from coverage import Coverage

    measured = Coverage.current()
    if measured is None:
        return

    def save() -> None:
        while True:
            time.sleep(_EACH_S)
            measured.save()

    threading.Thread(target=save, daemon=True).start()
