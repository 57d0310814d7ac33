"""What tests let tasks do; each leaves a line behind, which is what is counted."""

import os
import signal
import time
from pathlib import Path

from decamo.cluster.tasks import TaskLine
from decamo.errors import DataError

__all__ = ["die_once", "fail_or_wait", "square", "wait_to_be_stopped"]


def _note(folder: Path, key: str) -> int:
    with (folder / key).open("a") as file:
        file.write("begun\n")
    return len((folder / key).read_text().splitlines())


def square(folder: Path, item: int, line: TaskLine) -> int:
    _note(folder, str(item))
    line.tell(("squared", item))
    return item**2


def die_once(folder: Path, item: int, line: TaskLine) -> int:
    """The first attempt of each odd item is killed."""
    if _note(folder, str(item)) == 1 and item % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def fail_or_wait(folder: Path, item: str, line: TaskLine) -> str:
    if item == "fail":
        raise DataError("some.png", "cut short", "copy it anew")
    return wait_to_be_stopped(folder, item, line)


def wait_to_be_stopped(folder: Path, item: str, line: TaskLine) -> str:
    _note(folder, item)
    line.tell("waits")
    end = time.monotonic() + 60
    while not line.stop():
        assert time.monotonic() < end
        time.sleep(0.01)
    (folder / "stopped").write_text(item)
    return line.stop()
