"""A run on the console: the epoch line on standard output, progress bars on a terminal."""

from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from decamo.history import (
    Baseline,
    EpochDone,
    Event,
    GroupsOpened,
    Interrupted,
    MemoryRanOut,
    ReadingTrouble,
    RolledBack,
    StageStarted,
    StepDone,
    Validating,
)

__all__ = ["Console"]

_STAGE_WORDS = {1: "frozen backbone", 2: "fine-tuning", 3: "polishing"}
_MOST_NAMED = 8  # images named one by one
_HEARTBEAT = 60.0  # seconds between two signs of life where there is no terminal


class Console:
    """Tells a person what happens; use it as a context manager.

    Args:
        out: standard output; receives the epoch lines, whole and unwrapped.
        clock: seconds from any fixed moment.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float]) -> None:
        self._console = RichConsole(file=out, highlight=False, markup=False, emoji=False)
        self._clock = clock
        self._heard = clock()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def say(self, line: str) -> None:
        """Print one line as it is."""
        self._console.print(line, soft_wrap=True)

    def on_event(self, event: Event) -> None:
        """Print what an event tells."""
        if isinstance(event, StepDone):
            self._step(event)
        elif isinstance(event, Validating):
            self._show("validating", event.done, event.of)
        elif isinstance(event, EpochDone):
            self.say(event.record.line())
        elif isinstance(event, Baseline):
            self.say(
                f"before epoch {event.epoch}, on the held-out images: IoU {event.iou:.4f},"
                f" Dice {event.dice:.4f}, MAE {event.mae:.4f}"
            )
        elif isinstance(event, StageStarted):
            stage = event.stage
            self.say(
                f"stage {stage.number} ({_STAGE_WORDS[stage.number]}): epochs {event.epoch} to"
                f" {stage.last_epoch}, {stage.steps_per_epoch} steps each at {stage.img_size} px"
            )
        elif isinstance(event, GroupsOpened):
            self.say(f"learning from step {event.step} on: {', '.join(sorted(event.learning))}")
        elif isinstance(event, Interrupted):
            self.say(f"stopped after step {event.position.step}, {event.why}; saved")
        elif isinstance(event, MemoryRanOut):
            self.say(f"out of memory in {event.where} at step {event.step}: {event.decision}")
        elif isinstance(event, ReadingTrouble):
            self.say(f"reading, step {event.step}: {event.what}")
        elif isinstance(event, RolledBack):
            self._rolled_back(event)

    def _rolled_back(self, event: RolledBack) -> None:
        self.say(
            f"back from step {event.from_step} to step {event.position.step} (epoch"
            f" {event.position.epoch + 1}): {event.reason}"
        )
        if event.samples:
            more = len(event.samples) - _MOST_NAMED
            named = ", ".join(event.samples[:_MOST_NAMED]) + (f" and {more} more" * (more > 0))
            self.say(f"  images in question: {named}")

    def progress(self, what: str) -> Callable[[int, int], None]:
        """A callback ``(done, of)`` that shows how far ``what`` has come."""
        return lambda done, of: self._show(what, done, of)

    def _step(self, event: StepDone) -> None:
        record = event.record
        if record.skipped:
            self.say(f"step {record.step}: the gradient was not finite; the weights stay")
        self._show(f"epoch {record.epoch}", event.done, event.of)
        if self._progress is None and self._clock() - self._heard > _HEARTBEAT:
            self._heard = self._clock()
            self.say(
                f"  epoch {record.epoch}: step {event.done} of {event.of}, loss {record.loss:.4f}"
            )

    def _show(self, what: str, done: int, of: int) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(
                self._task, description=what, completed=done, total=of, visible=done < of
            )

    def __enter__(self) -> "Console":
        if self._console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._progress.add_task("", visible=False)
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
