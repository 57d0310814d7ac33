"""``decamo report``: a run, or a log of any origin, as one HTML page."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.progress import Progress

from decamo import __version__
from decamo.diagnosis import TARGET, advise, diagnose, known_claims
from decamo.diagnosis.forecast import forecast
from decamo.errors import DataError, DecamoError, SettingsError
from decamo.flags import Parser, reads_of_past, write_json
from decamo.history import Past, read_past
from decamo.report.gallery_section import Gallery
from decamo.report.race_files import outcomes_in
from decamo.report.run_charts import best_point
from decamo.report.run_page import Findings, run_page, standing
from decamo.settings.plain import from_plain
from decamo.storage import RunFolder
from decamo.storage.contents import contents
from decamo.storage.outputs import Read, Written, check_outputs, write_output

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo report``."""
    add = parser.add_argument
    add("run", nargs="+", metavar="RUN",
        help="a run folder, a journal or a log of any origin; several are parts of one lineage;"
        " - is standard input")  # fmt: skip
    add("--html", type=Path, metavar="FILE",
        help="the page (default: RUN/report.html; beside a log, LOG.report.html)")  # fmt: skip
    add("--target", type=float, default=TARGET, metavar="X", help=f"IoU to reach ({TARGET:g})")
    add("--dataset-path", nargs="+", action="extend", type=Path, metavar="PATH",
        help="data sets for the gallery (default: those that the run was trained on)")  # fmt: skip
    add("--no-gallery", action="store_true", help="no validation cases: then torch is not loaded")
    add("--device", default="auto", help="for the gallery: auto, cpu, cuda or cuda:N")
    add("--json", type=Path, metavar="FILE", help="write what the page says")


def run(args: argparse.Namespace) -> int:
    """Make the page; returns the exit code."""
    if not 0 < args.target <= 1:
        raise SettingsError("--target", f"got {args.target:g}", "give an IoU above 0, at most 1")
    target = args.html or _beside(args.run[-1])
    folders = [Read("--dataset-path", path) for path in args.dataset_path or ()]
    check_outputs(
        [*reads_of_past(args.run), *folders],
        [Written("--html", target), *([Written("--json", args.json)] if args.json else [])],
    )
    past = read_past(args.run, sys.stdin.buffer)
    diagnosis = diagnose(past, target=args.target)
    outlook = forecast(past, args.target)
    advice = advise(past, diagnosis, latest=_latest(past), claims=known_claims(), forecast=outlook)
    folder = Path(args.run[-1])
    gallery = None if args.no_gallery else _gallery(args, past)
    made = datetime.now().astimezone().strftime(", %Y-%m-%d %H:%M")
    files = contents(folder) if folder.is_dir() else ()
    races = outcomes_in(RunFolder(folder).races)
    findings = Findings(diagnosis, gallery, files, outlook, advice, made, races)
    write_output(target, run_page(past, findings).encode("utf-8", "replace"))
    print(diagnosis.verdict.sentence)
    print(f"forecast: {outlook.sentence}")
    print(f"advice: {advice.first.title}")
    print(f"report: {target}")
    write_json(args.json, _plain(past, findings, target))
    return 0


def _beside(name: str) -> Path:
    """Where the page goes unless ``--html`` says so."""
    path = Path(name)
    if name == "-":
        return Path("report.html")
    return RunFolder(path).report if path.is_dir() else path.with_name(f"{path.stem}.report.html")


def _latest(past: Past) -> str:
    """The newest weights beside the best ones."""
    if not past.checkpoint:
        return ""
    last = RunFolder(Path(past.checkpoint).parent).last
    return str(last) if last.exists() else ""


def _gallery(args: argparse.Namespace, past: Past) -> Gallery | None:
    """Cases, or why there are none; nothing where a log is all there is."""
    if not past.checkpoint:
        known = past.stretches and past.stretches[-1].settings  # else it is a bare log
        return Gallery(missing="no best_model.pth lies beside the journal") if known else None
    try:
        return _drawn(Path(past.checkpoint), args.dataset_path or (), args.device)
    except DecamoError as error:
        if args.dataset_path:  # asked for by name
            raise
        print(f"decamo: no gallery: {error}", file=sys.stderr)
        return Gallery(missing=str(error))


def _drawn(checkpoint: Path, folders: Sequence[Path], device: str) -> Gallery:
    """Cases of a checkpoint on the validation images that its settings hold out."""
    # torch and Pillow, for the gallery alone: decisions/0007
    from decamo.inference.load import load_model
    from decamo.inference.predictor import Predictor
    from decamo.report.run_gallery import make_gallery
    from decamo.storage.sealed import load_sealed
    from decamo.training.runtime import open_runtime
    from decamo.training.supply import find_supply

    state = load_sealed(checkpoint)
    data = from_plain(state["settings"]).data
    data = replace(data, dataset_path=tuple(folders) or data.dataset_path)
    if not data.dataset_path:
        raise DataError("--dataset-path", "not given", "name the data set of the run")
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        task = progress.add_task("looking at the images", total=None)

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        census = RunFolder(checkpoint.parent).census
        supply = find_supply(data, census, tell, keep=False, checkpoint=state)
        loaded = load_model(checkpoint)
        runtime = open_runtime(device, "fp32")
        predictor = Predictor(loaded.model.to(runtime.device), loaded.img_size, runtime.device)
        progress.update(task, description="validation cases")
        gallery = make_gallery(predictor, supply.val, tell)
    places = ", ".join(str(path) for path in data.dataset_path)
    source = (
        f"{checkpoint.name}: {loaded.weights} weights of epoch {loaded.epoch} at {loaded.img_size}"
        f" px on the {len(supply.val)} images held out of {places}; mean IoU"
        f" {fmean(gallery.ious):.4f}"
    )
    return replace(gallery, source=source)


def _plain(past: Past, findings: Findings, page: Path) -> dict[str, Any]:
    best = best_point(past.points)
    gallery = findings.gallery
    return {
        "decamo": __version__,
        "page": str(page),
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
