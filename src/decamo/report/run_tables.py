"""The tables of a run's page: lineage, epochs, settings, files."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from decamo.history import Past, Point
from decamo.report.page import escaped, table
from decamo.settings import TrainSettings, flag_of, shown
from decamo.settings.plain import to_plain
from decamo.storage.contents import Content

__all__ = ["epoch_table", "file_table", "lineage_table", "settings_table"]

_MOST_EPOCHS = 400  # rows of a table; more are thinned
_COLUMNS = (
    ("loss", "loss", ".4f"),
    ("val_loss", "validation loss", ".4f"),
    ("iou", "IoU", ".4f"),
    ("dice", "Dice", ".4f"),
    ("mae", "MAE", ".4f"),
    ("lr", "LR", ".6f"),
    ("stage", "stage", "d"),
    ("img_size", "px", "d"),
    ("skipped", "steps skipped", "d"),
    ("seconds", "seconds", ".1f"),
)


def lineage_table(past: Past) -> str:
    """A row for each start, resume and rollback; empty where none is known."""
    rows = [
        [
            escaped(stretch.word or "unknown"),
            f"{stretch.first_epoch} to {last}" if last >= stretch.first_epoch else "none finished",
            f"{stretch.baseline_iou:.4f}" if _known(stretch.baseline_iou) else "",
            f'<span class="long">{escaped(stretch.reason)}</span>',
        ]
        for stretch, last in zip(past.stretches, _ends(past), strict=True)
    ]
    if not rows:
        return ""
    return table(
        ("how", "epochs", "IoU at its start", "why"),
        rows,
        "Starts, resumes and rollbacks",
        (0, 1, 3),
    )


def _ends(past: Past) -> Iterator[int]:
    """The last finished epoch of each stretch."""
    after = [s.first_epoch for s in past.stretches[1:]]
    newest = past.points[-1].epoch if past.points else 0
    yield from (min(first - 1, newest) for first in after)
    if past.stretches:
        yield newest


def epoch_table(points: Sequence[Point]) -> str:
    """A row for each epoch, and a column for each thing that is known of any."""
    step = math.ceil(len(points) / _MOST_EPOCHS) or 1
    some = points[::step]
    columns = [c for c in _COLUMNS if any(getattr(p, c[0]) is not None for p in some)]
    rows = [[str(p.epoch), *(_cell(getattr(p, c[0]), c[2]) for c in columns)] for p in some]
    caption = "Every epoch" if step == 1 else f"One in {step} of {len(points)} epochs"
    return table(("epoch", *(c[1] for c in columns)), rows, caption)


def settings_table(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each flag in force; those that differ from their default are told from others."""
    defaults = to_plain(TrainSettings())
    rows = []
    for section, values in settings.items():
        for name, value in values.items():
            usual = defaults.get(section, {}).get(name)
            differs = _plain(value) != _plain(usual)
            text = f'<span class="long">{_value(value)}</span>'
            rows.append(
                [
                    f"{escaped(flag_of(str(name)))}",
                    escaped(section),
                    f"<b>{text}</b>" if differs else text,
                    f'<span class="long">{_value(usual)}</span>' if differs else "",
                ]
            )
    heads = ("flag", "section", "value", "default, where it differs")
    return table(heads, rows, "Settings in force at the end", (0, 1, 2, 3))


def file_table(files: Sequence[Content]) -> str:
    """A row for each file of a run folder."""
    rows = [
        [
            f'<span class="long">{escaped(f.name)}</span>',
            _size(f.bytes),
            f'<span class="long">{escaped(f.role)}</span>',
        ]
        for f in files
    ]
    return table(("file", "size", "what it is for"), rows, "What lies in the run folder", (0, 2))


def _cell(value: float | None, form: str) -> str:
    if value is None:
        return ""
    return format(value, form) if math.isfinite(value) else "not a number"


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _value(value: object) -> str:
    if value is None or value == []:
        return '<span class="soft">none</span>'
    if isinstance(value, list | tuple):
        return escaped(", ".join(shown(v) for v in value))
    return escaped(shown(value))


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:.1f} GB"
