"""Not a test: what killed processes have run is saved for coverage, before or now and then.

Ray ends its workers while they wait in C++ for a task, where Python hears of no signal. Our own are
killed when nobody needs them any more, though they would end by themselves soon.
"""

import contextlib
import os
import threading
import time
from multiprocessing.process import BaseProcess

__all__ = ["measure_killed_workers", "save_now_and_then"]

# Where Ray looks for a function that each worker calls before its first task.
_HOOK = "__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR"
_EACH_S = 0.2  # between two saves
_MOMENT_S = 1.0  # that one that is killed gets to end by itself


def measure_killed_workers() -> None:
    """Do so where coverage is measured; without it nothing is other than for users."""
    if "COVERAGE_PROCESS_CONFIG" not in os.environ:
        return
    os.environ[_HOOK] = f"{save_now_and_then.__module__}.{save_now_and_then.__name__}"
    kill = BaseProcess.kill

    def kill_later(process: BaseProcess) -> None:
        def really() -> None:
            with contextlib.suppress(OSError, ValueError):  # it is over, and off the table
                kill(process)

        timer = threading.Timer(_MOMENT_S, really)
        timer.daemon = True
        timer.start()

    BaseProcess.kill = kill_later  # type: ignore[method-assign]


def save_now_and_then() -> None:
    """Let a thread of this process save what was measured."""
    from coverage import Coverage

    measured = Coverage.current()
    if measured is None:
        return

    def save() -> None:
        while True:
            time.sleep(_EACH_S)
            measured.save()

    threading.Thread(target=save, daemon=True).start()
