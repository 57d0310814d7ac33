"""The past that a run carries in its checkpoint: the same epochs as the journal's, and no file."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from decamo.history.events import EpochRecord
from decamo.history.run_log import log_of_entries
from decamo.history.training_log import TrainingLog
from decamo.schedule import Lineage, SegmentKind

__all__ = ["log_of_records"]


def log_of_records(
    records: Sequence[EpochRecord],
    lineage: Lineage,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> TrainingLog:
    """What a checkpoint's history and lineage tell, read as a journal's lines are.

    It goes back beyond the run folder's journal where the run was resumed from another folder, and
    it does not have what only steps tell (norms of gradients).

    Args:
        records: of the epochs that the weights descend from, ascending.
        lineage: with the segments in which they were trained.
        settings: in force now, by section.
    """
    return log_of_entries(_entries(records, lineage, settings or {}), "the run's own history")


def _entries(
    records: Sequence[EpochRecord], lineage: Lineage, settings: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    begun = [n for n, s in enumerate(lineage.segments) if n == 0 or s.kind is SegmentKind.BRANCH]
    ends = [lineage.segments[n].at_epoch for n in begun[1:]] + [max(_last(records), 0)]
    for number, end in zip(begun, ends, strict=True):
        segment = lineage.segments[number]
        newest = number == begun[-1]
        known = lineage.segments if newest else lineage.segments[: number + 1]
        yield {
            "kind": "run",
            "word": segment.kind.value,
            "reason": segment.reason,
            "ledger": Lineage(known).to_plain(),
            "settings": settings if newest else {},
            "train_images": segment.images,
        }
        for record in records:
            if segment.at_epoch < record.epoch <= end:
                yield {"kind": "epoch"} | {k: _journaled(v) for k, v in record.to_plain().items()}


def _journaled(value: Any) -> Any:
    """As the journal writes it: null where it is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _last(records: Sequence[EpochRecord]) -> int:
    return records[-1].epoch if records else 0
