"""A run's past in Python: ``decamo.Run("runs/x").diagnose()``, of any trainer's log as well."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import decamo.diagnosis as detectors
from decamo.api.report_page import MadeReport, cases_of, page_beside, write_report
from decamo.diagnosis import TARGET, Advice, Diagnosis, advise, known_claims
from decamo.diagnosis.forecast import Forecast, forecast
from decamo.errors import SettingsError
from decamo.history import Point, TrainingLog, read_training_log
from decamo.mirror import local_log
from decamo.report.diagnosis_text import diagnosis_text
from decamo.report.page import page
from decamo.report.run_figures import run_charts
from decamo.report.run_page import part
from decamo.settings.addresses import address_in, shown_address
from decamo.storage import RunFolder

__all__ = ["Curves", "Run", "RunDiagnosis", "diagnose"]


@dataclass(frozen=True)
class RunDiagnosis:
    """What ails a run, why, and what to do; prints as ``decamo diagnose`` and shows in a notebook.

    Attributes:
        diagnosis: the verdict and every symptom with its evidence.
        advice: ranked causes, what to do first, what else, and when to look again.

    Example:
        >>> found = decamo.Run(log).diagnose()
        >>> found.verdict
        'plateau'
        >>> "learning rate" in str(found)
        True
    """

    diagnosis: Diagnosis
    advice: Advice

    @property
    def verdict(self) -> str:
        """One word, such as ``plateau``, ``healthy`` or ``too_early``."""
        return self.diagnosis.kind.value

    @property
    def causes(self) -> tuple[str, ...]:
        """Likely causes, the likeliest first, by name."""
        return tuple(counsel.suspicion.cause.value for counsel in self.advice.counsels)

    @property
    def next_command(self) -> str:
        """The command to paste; empty where none would help."""
        return self.advice.command

    @property
    def forecast(self) -> Forecast | None:
        """What the run will come to if nothing changes."""
        return self.advice.forecast

    def __str__(self) -> str:
        return diagnosis_text(self.diagnosis, self.advice)

    def _repr_html_(self) -> str:
        return part(self.diagnosis, self.advice)


@dataclass(frozen=True)
class Curves:
    """A run's scores, loss, learning rates and times as SVG charts; shows itself in a notebook.

    Attributes:
        html: the charts, without a style.
    """

    html: str

    def save(self, path: str | Path) -> Path:
        """Write a page of its own; returns its path."""
        target = Path(path)
        target.write_text(page("curves", [self._repr_html_()]), encoding="utf-8")
        return target

    def _repr_html_(self) -> str:
        return part(charts=self.html)


class Run:
    """A run folder, or a log of any origin; several are parts of one lineage.

    Args:
        paths: run folders, journals, printed logs, CSV files, event files of TensorBoard; at an
            address such as ``s3://BUCKET/runs/x`` too (``pip install 'decamo[remote]'``).
        stdin: read where a path is ``-``.

    Example:
        >>> run = decamo.Run(log)
        >>> run.past.points[-1].epoch
        106
        >>> run.report("page.html").page.name
        'page.html'
    """

    def __init__(self, *paths: str | Path, stdin: BinaryIO | None = None) -> None:
        self.paths = tuple(str(path) for path in paths)
        self._stdin = stdin

    def __repr__(self) -> str:
        return f"Run({', '.join(map(repr, self.paths))})"

    @cached_property
    def past(self) -> TrainingLog:
        """All that is known of it, read once.

        Raises:
            DataError: nothing of that name, or nothing that can be read.
        """
        local = [local_log(path) for path in self.paths]
        read = read_training_log(local, self._stdin)
        address = address_in(self.paths[-1]).rstrip("/")
        if not address:
            return read
        of_run = Path(local[-1]).is_dir()  # its checkpoints stay where they are
        best = f"{address}/{self.folder.best.name}" if of_run else ""
        return replace(read, source=shown_address(address), checkpoint=best)

    @property
    def folder(self) -> RunFolder:
        """The last path as a run folder, whether or not it is one."""
        return RunFolder(Path(self.paths[-1]))

    def diagnose(
        self,
        target: float = TARGET,
        *,
        baseline: Point | None = None,
        checkpoint: str | Path | None = None,
    ) -> RunDiagnosis:
        """Say what ails the run, why, and what to do.

        Args:
            target: IoU to reach, in (0, 1].
            baseline: epoch and IoU that the present schedule set out from, where the log lacks it.
            checkpoint: to go on from (default: the run's own).

        Raises:
            SettingsError: the target is no IoU.
            DataError: the run cannot be read.
        """
        if not 0 < target <= 1:
            raise SettingsError("--target", f"got {target:g}", "give an IoU above 0, at most 1")
        found = detectors.diagnose_log(self.past, target=target, baseline=baseline)
        advice = advise(
            self.past,
            found,
            checkpoint=str(checkpoint or ""),
            latest="" if checkpoint else self.latest,
            claims=known_claims(),
            forecast=forecast(self.past, target),
        )
        return RunDiagnosis(found, advice)

    @property
    def latest(self) -> str:
        """Path of the newest weights beside the best ones; empty where there are none."""
        if not self.past.checkpoint:
            return ""
        last = RunFolder(Path(self.past.checkpoint).parent).last
        return str(last) if last.exists() else ""

    def plot(self, target: float | None = None) -> Curves:
        """The run's curves.

        Args:
            target: IoU to reach, drawn as a line.
        """
        return Curves(run_charts(self.past, target))

    def report(
        self,
        html: str | Path | None = None,
        *,
        target: float = TARGET,
        dataset_path: Sequence[str | Path] = (),
        gallery: bool = True,
        network: str = "",
        device: str = "auto",
    ) -> MadeReport:
        """Write the run as one HTML page.

        Args:
            html: the page (default: ``report.html`` in the run folder, or beside the log).
            target: IoU to reach.
            dataset_path: data sets of the gallery (default: those of the run).
            gallery: whether validation cases are shown where their checkpoint and data are there.
            network: ``FILE.py:FUNCTION``, where the run's network is from a file, for the gallery.
            device: for the gallery: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

        Returns:
            the page's path, and what it shows.
        """
        found = self.diagnose(target)
        folders = tuple(Path(path) for path in dataset_path)
        return write_report(
            Path(html) if html is not None else page_beside(self.paths[-1]),
            self.folder.root,
            self.past,
            found.diagnosis,
            found.advice,
            cases_of(self.past, folders, device, network) if gallery else (None, ""),
        )


def diagnose(*paths: str | Path, target: float = TARGET) -> RunDiagnosis:
    """Say what ails a run, why, and what to do: :meth:`Run.diagnose` of :class:`Run`.

    Args:
        paths: of run folders or logs, the parts of one lineage.
        target: IoU to reach, in (0, 1].

    Example:
        >>> decamo.diagnose(log).verdict
        'plateau'
    """
    return Run(*paths).diagnose(target)
