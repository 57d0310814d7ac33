"""Make the recorded curves of ``docs/results/curves`` from the journals of runs.

``python scripts/curves_from_journals.py docs/results/curves RUN_FOLDER...``

Each run that has reached its planned end becomes ``<name of its folder>.csv``; the table of flags
in the README.md there is written anew, over all runs given. No path of this machine gets there.
"""

import csv
import math
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from decamo.history import LogSegment, Point, TrainingLog, log_of_journal
from decamo.settings import TrainSettings, flag_of, shown

COLUMNS = ("epoch", "loss", "iou", "dice", "mae", "lr", "stage", "val_images", "iou_sd")
# Where files lie and what ran them; nothing that moves a curve.
OF_THE_MACHINE = {
    "dataset_path",
    "num_workers",
    "checkpoint_dir",
    "resume_from",
    "device",
    "precision",
    "backbone_weights",
    "input_mean",
    "input_std",
}
BEGIN, END = "<!-- flags: begin -->", "<!-- flags: end -->"


def main(target: Path, folders: list[Path]) -> int:
    """Write the curves; returns the exit code."""
    target.mkdir(parents=True, exist_ok=True)
    rows = [
        "| curve | epochs | best IoU | flags that differ from the defaults |",
        "|---|---|---|---|",
    ]
    for folder in sorted(folders, key=lambda f: f.name):
        past = log_of_journal(folder / "journal.jsonl")
        ends = [s.planned_end for s in past.stretches[-1:]]
        if [p.epoch for p in past.points[-1:]] != ends or not ends:
            print(f"{folder.name}: not at its planned end, left out")
            continue
        write_curve(target / f"{folder.name}.csv", past)
        best = max(p.iou for p in past.points if p.iou is not None and math.isfinite(p.iou))
        told = "; then ".join(
            (f"from epoch {s.first_epoch} ({s.word}): " if i else "") + " ".join(flags(s))
            for i, s in enumerate(past.stretches)
        )
        rows.append(f"| {folder.name} | {past.points[-1].epoch} | {best:.4f} | `{told}` |")
        print(f"{folder.name}: {len(past.points)} epochs")
    readme = target / "README.md"
    text = readme.read_text() if readme.exists() else f"{BEGIN}\n{END}\n"
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}")
    return 0


def write_curve(path: Path, past: TrainingLog) -> None:
    """One line an epoch; a cell is empty where nothing was written down."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_cell(point, name) for name in COLUMNS] for point in past.points)


def flags(stretch: LogSegment) -> Iterator[str]:
    """The flags of a stretch that are not the defaults, but those of the machine."""
    usual = TrainSettings()
    for section in fields(usual):
        defaults = getattr(usual, section.name)
        for option in fields(defaults):
            value = stretch.settings.get(section.name, {}).get(option.name)
            if option.name in OF_THE_MACHINE or value == getattr(defaults, option.name):
                continue
            if value is None or option.name not in stretch.settings.get(section.name, {}):
                continue
            yield _typed(option.name, value)


def _typed(name: str, value: object) -> str:
    if isinstance(value, bool):
        return flag_of(name) if value else flag_of(f"no_{name}")
    return f"{flag_of(name)} {shown(value)}"


def _cell(point: Point, name: str) -> str:
    value = getattr(point, name)
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
