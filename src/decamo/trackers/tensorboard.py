"""A run as TensorBoard event files; the journal stays the truth."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from decamo.history import EpochDone, Event
from decamo.trackers.scalars import row_of

__all__ = ["TensorBoard"]


class TensorBoard:
    """Writes loss terms and learning rates by step, scores by epoch.

    A full disk ends no run for the sake of its charts: it is said, and a new file is begun with the
    first epoch for which there is room.

    Args:
        folder: where event files go.
        first_step: steps from an abandoned future at or after this one are hidden.
        say: told when nothing can be written, and when it can again.
    """

    def __init__(
        self, folder: Path, first_step: int, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self._folder, self._say = folder, say
        self._hook, threading.excepthook = threading.excepthook, self._quiet
        self._writer: SummaryWriter | None = None
        self._told = False
        self._open(first_step or None)

    def on_event(self, event: Event) -> None:
        """Write the numbers of an event."""
        if isinstance(event, EpochDone) and self._writer is None and self._open(None):
            self._say(f"{self._folder}: charts go on from epoch {event.record.epoch}")
            self._told = False
        if (row := row_of(event)) is not None:
            self._write(*row)

    def close(self) -> None:
        """Write out what is pending."""
        try:
            if self._writer is not None:
                self._writer.close()
        except OSError as error:
            self._lose(error)
        finally:
            threading.excepthook = self._hook

    def _open(self, first_step: int | None) -> bool:
        try:
            self._writer = SummaryWriter(str(self._folder), purge_step=first_step)
        except OSError as error:
            self._lose(error)
            return False
        return True

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        try:
            for name, value in values.items():
                if self._writer is not None:
                    self._writer.add_scalar(name, value, step)
        except OSError as error:  # of its own thread, which wrote in the meantime
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self._writer = None
        if not self._told:
            why = error.strerror or str(error)
            self._say(f"{self._folder}: {why}; the run goes on without these charts")
        self._told = True

    def _quiet(self, args: threading.ExceptHookArgs) -> None:
        """TensorBoard's thread hands its error on, and prints twenty lines of it besides."""
        theirs = type(args.thread).__module__.startswith("tensorboard.")
        if not (theirs and isinstance(args.exc_value, OSError)):
            self._hook(args)
