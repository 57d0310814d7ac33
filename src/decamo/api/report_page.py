"""A run's page, with everything that it shows gathered."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.progress import Progress

from decamo.diagnosis import Advice, Diagnosis
from decamo.errors import DataError, DecamoError
from decamo.history import TrainingLog
from decamo.mirror import local_checkpoint
from decamo.report.experts_section import Gallery
from decamo.report.race_section import outcomes_in
from decamo.report.run_figures import best_point
from decamo.report.run_page import Findings, run_page, standing
from decamo.settings.addresses import address_in
from decamo.storage import RunFolder
from decamo.storage.outputs import write_output
from decamo.storage.run_folder import contents

__all__ = ["MadeReport", "cases_of", "page_beside", "write_report"]


@dataclass(frozen=True)
class MadeReport:
    """A page that was written.

    Attributes:
        page: its path.
        past: of the run.
        findings: what it shows.
        missing: why it has no gallery, where one was wanted; empty otherwise.
    """

    page: Path
    past: TrainingLog
    findings: Findings
    missing: str = ""

    def to_plain(self) -> dict[str, Any]:
        """What the page says, for ``--json``."""
        past, findings, gallery = self.past, self.findings, self.findings.gallery
        best = best_point(past.points)
        return {
            "page": str(self.page),
            "source": past.source,
            "standing": standing(past),
            "epochs": len(past.points),
            "best": {"epoch": best.epoch, "iou": best.iou} if best else None,
            "verdict": findings.diagnosis.kind.value,
            "diagnosis": asdict(findings.diagnosis),
            "forecast": asdict(findings.forecast) if findings.forecast else None,
            "next": asdict(findings.advice.first) if findings.advice else None,
            "races": [asdict(race) for race in findings.races],
            "gallery": {
                "missing": gallery.missing,
                "cases": [{"sort": s.sort, "name": s.name, "iou": s.iou} for s in gallery.shots],
            }
            if gallery
            else None,
        }


def page_beside(name: str) -> Path:
    """Where the page of a run goes unless somebody says so.

    Args:
        name: path of its folder or log; ``-`` for standard input and an address
            have no place beside them.
    """
    path = Path(name)
    if name == "-" or address_in(name):
        return Path("report.html")
    return RunFolder(path).report if path.is_dir() else path.with_name(f"{path.stem}.report.html")


def write_report(
    page: Path,
    folder: Path,
    past: TrainingLog,
    diagnosis: Diagnosis,
    advice: Advice,
    gallery: tuple[Gallery | None, str] = (None, ""),
) -> MadeReport:
    """Write the page.

    Args:
        page: its path.
        folder: of the run, or path of the log.
        past: of the run.
        diagnosis: what ails it.
        advice: what to do.
        gallery: validation cases, and why there are none.

    Raises:
        StorageError: it cannot be written; an old one is untouched.
    """
    shown, missing = gallery
    findings = Findings(
        diagnosis,
        shown,
        contents(folder) if folder.is_dir() else (),
        advice.forecast,
        advice,
        datetime.now().astimezone().strftime(", %Y-%m-%d %H:%M"),
        outcomes_in(RunFolder(folder).races),
    )
    write_output(page, run_page(past, findings).encode("utf-8", "replace"))
    return MadeReport(page, past, findings, missing)


def cases_of(
    past: TrainingLog, dataset_path: Sequence[Path], device: str, network: str = ""
) -> tuple[Gallery | None, str]:
    """Cases, or why there are none; nothing where a log is all there is."""
    if not past.checkpoint:
        known = past.stretches and past.stretches[-1].settings  # else it is a bare log
        return Gallery(missing="no best_model.pth lies beside the journal") if known else None, ""
    try:
        return _drawn(Path(local_checkpoint(past.checkpoint)), dataset_path, device, network), ""
    except DecamoError as error:
        if dataset_path:  # asked for by name
            raise
        return Gallery(missing=str(error)), str(error)


def _drawn(checkpoint: Path, folders: Sequence[Path], device: str, network: str) -> Gallery:
    """Cases of a checkpoint on the validation images that its settings hold out."""
    # torch and Pillow, for the gallery alone: decisions/0007
    from decamo.checkpoint.load_save import load_checkpoint
    from decamo.inference.load_model import load_model
    from decamo.inference.predictor import Predictor
    from decamo.report.run_gallery import make_gallery
    from decamo.training.data_splits import find_splits
    from decamo.training.runtime import open_runtime

    held = load_checkpoint(checkpoint)
    data = held.settings.data
    data = replace(data, dataset_path=tuple(folders) or data.dataset_path)
    if not data.dataset_path:
        raise DataError("--dataset-path", "not given", "name the data set of the run")
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        task = progress.add_task("looking at the images", total=None)

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        census = RunFolder(checkpoint.parent).census
        splits = find_splits(data, census, tell, keep=False, checkpoint=held)
        loaded = load_model(checkpoint, network)
        runtime = open_runtime(device, "fp32")
        predictor = Predictor(loaded.model.to(runtime.device), loaded.img_size, runtime.device)
        progress.update(task, description="validation cases")
        gallery = make_gallery(predictor, splits.val, tell)
    places = ", ".join(str(path) for path in data.dataset_path)
    source = (
        f"{checkpoint.name}: {loaded.weights} weights of epoch {loaded.epoch} at {loaded.img_size}"
        f" px on the {len(splits.val)} images held out of {places}; mean IoU"
        f" {fmean(gallery.ious):.4f}"
    )
    return replace(gallery, source=source)
