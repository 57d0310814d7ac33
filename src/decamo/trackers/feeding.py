"""``--tracker``: which trackers a run is fed to."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import NamedTuple

from decamo.errors import SettingsError
from decamo.history import Event
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.storage import RunFolder
from decamo.trackers.mlflow import open_mlflow
from decamo.trackers.tensorboard import TensorBoard
from decamo.trackers.tracking import TrackedRun, Tracker, Tracking
from decamo.trackers.trackio import open_trackio
from decamo.trackers.wandb import open_wandb

__all__ = ["check_trackers", "complete_trackers", "open_trackers"]


class _Service(NamedTuple):
    """How a tracker is opened, and the package that must be there; it is an extra's name too."""

    open: Callable[[TrackedRun], Tracker]
    package: str | None


_SERVICES: Mapping[str, _Service] = {
    "wandb": _Service(open_wandb, "wandb"),
    "mlflow": _Service(open_mlflow, "mlflow"),
    "trackio": _Service(open_trackio, "trackio"),
}


def check_trackers(settings: TrainSettings) -> None:
    """Refuse a tracker whose package is missing, before anything else takes time.

    Raises:
        SettingsError: it is not installed.
    """
    for kind in settings.run.tracker:
        package = _SERVICES[kind].package if kind in _SERVICES else None
        if package is not None and importlib.util.find_spec(package) is None:
            raise SettingsError(
                "--tracker", f"{package} is not installed", f"pip install 'decamo[{package}]'"
            )


def open_trackers(
    stack: ExitStack,
    settings: TrainSettings,
    folder: RunFolder,
    begin: int,
    same: bool,
    say: Callable[[str], None],
) -> Sequence[Callable[[Event], None]]:
    """The callbacks that feed the run's trackers; closed with the stack.

    Args:
        stack: of the run.
        settings: all of them, with the trackers' words.
        folder: of the run.
        begin: absolute step that the run goes on with.
        same: whether it goes on exactly as it was.
        say: told when a tracker fails, and when it goes on.
    """
    fed: list[Callable[[Event], None]] = []
    if "tensorboard" in settings.run.tracker:
        board = stack.enter_context(closing(TensorBoard(folder.tensorboard, begin, say)))
        fed.append(board.on_event)
    others = _trackings(settings, folder, begin, same, say)
    return fed + [stack.enter_context(closing(tracking)).on_event for tracking in others]


def complete_trackers(
    settings: TrainSettings, folder: RunFolder, end: int, say: Callable[[str], None]
) -> None:
    """Send what trackers lack of a run that is at its end: a kill may have come before they had it.

    Args:
        settings: all of them, with the trackers' words.
        folder: of the run.
        end: optimizer steps made.
        say: told when a tracker fails.
    """
    for tracking in _trackings(settings, folder, end, True, say):
        tracking.catch_up(end)
        tracking.close()


def _trackings(
    settings: TrainSettings,
    folder: RunFolder,
    begin: int,
    same: bool,
    say: Callable[[str], None],
) -> Iterator[Tracking]:
    run = TrackedRun(folder.root, to_plain(settings))
    for kind in settings.run.tracker:
        if kind in _SERVICES:
            yield Tracking(kind, _SERVICES[kind].open, run, folder.journal, begin, same, say)
