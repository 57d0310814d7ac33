"""Trackio: a local dashboard, or a Space on Hugging Face."""

import os
import secrets
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from decamo.trackers.scalars import Row
from decamo.trackers.tracking import TrackedRun

__all__ = ["Trackio", "open_trackio"]


class Trackio:
    """One run of Trackio.

    Args:
        run: as ``trackio.init`` gives it.
        project: its project.
        id: name of the run there, which is how Trackio finds it again.
    """

    def __init__(self, run: Any, project: str, id: str) -> None:
        self._run, self._project, self.id = run, project, id

    def position(self) -> int | None:
        """The step after the newest in its database; a Space cannot be asked."""
        if os.environ.get("TRACKIO_SPACE_ID") or os.environ.get("TRACKIO_SERVER_URL"):
            return None
        storage = import_module("trackio.sqlite_storage").SQLiteStorage
        newest = storage.get_max_step_for_run(self._project, self.id)
        return 0 if newest is None else newest + 1

    def log(self, rows: Sequence[Row]) -> None:
        """Hand the numbers to its thread."""
        for step, values in rows:
            self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Wait for its thread."""
        self._run.finish()


def open_trackio(run: TrackedRun) -> Trackio:
    """Begin a run, or go on with it; ``TRACKIO_PROJECT`` names the project."""
    project = os.environ.get("TRACKIO_PROJECT", "decamo")
    name = run.id or f"{run.folder.resolve().name}-{secrets.token_hex(4)}"
    opened = import_module("trackio").init(
        project=project, name=name, resume="allow", config=run.flat_settings, embed=False
    )
    return Trackio(opened, project, name)
