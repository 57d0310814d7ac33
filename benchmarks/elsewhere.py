"""Runs of a benchmark as tasks of a cluster; what they leave in the folder is all that counts.

The command trains nothing that it finds done, so that a run elsewhere comes first and the plain
command after it: its table is the same either way.
"""

from collections.abc import Callable, Mapping
from typing import Any

from decamo.cluster.tasks import Place, TaskLine

__all__ = ["train_elsewhere"]


def train_elsewhere(
    place: Place,
    work: Callable[[Any, Any, TaskLine], str],
    shared: object,
    items: Mapping[str, object],
    *,
    on_event: Callable[[str, object], None],
    stop: Callable[[], str],
) -> str:
    """Do the work of all items; returns why some of it is still to be done, if it is.

    Args:
        place: where.
        work: gives why it stopped before its end, if it did; a function of a module.
        shared: given to all.
        items: by key.
        on_event: told the key and what a task tells.
        stop: a reason ends the tasks, which save.

    Raises:
        DecamoError: of a task, or of the cluster.
    """
    reasons: list[str] = []
    done = 0

    def why() -> str:
        return reasons[0] if reasons else stop()

    for _, stopped in place.runner(work, shared, items, on_event=on_event, stop=why):
        done += not stopped
        reasons += [stopped] if stopped else []
    return "" if done == len(items) else why() or "asked to stop"
