"""A bar with the rate of a long piece of work, on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["rate_bar"]


@contextmanager
def rate_bar(
    terminal: TextIO, verb: str, total: int | None, done: int
) -> Iterator[Callable[[], None]]:
    """As :func:`decamo.report.rate.progress_of`, of a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=RichConsole(file=terminal), transient=True) as bar:
        task = bar.add_task(verb, total=total, completed=done)
        yield lambda: bar.advance(task)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """How many a second."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")
