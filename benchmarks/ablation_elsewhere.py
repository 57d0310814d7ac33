"""The runs of ``python -m benchmarks ablation`` as tasks of a cluster, each trained and scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from benchmarks.ablation_rows import Row
from benchmarks.elsewhere import train_elsewhere
from benchmarks.quality_runs import scored
from benchmarks.quality_train import Ground
from decamo.cluster.tasks import Place, TaskLine
from decamo.evaluation import CaseSet, Measurer, Rules
from decamo.training.runtime import open_runtime

__all__ = ["rows_elsewhere"]


@dataclass(frozen=True)
class _Shared:
    ground: Ground
    sets: Sequence[CaseSet]
    device: str
    threads: int


def rows_elsewhere(
    ground: Ground, rows: Sequence[Row], seeds: int, sets: Sequence[CaseSet], place: Place
) -> str:
    """Train and score all rows, as many runs at once as there is room.

    Rows that only look otherwise share a run, and those that follow another network come last: it
    is there then.

    Returns:
        why it stopped before its end, if it did; the same command goes on.

    Raises:
        DecamoError: of a run, or of the cluster.
    """
    plain = replace(ground, root=ground.root.absolute(), stop=_never, say=_nobody)
    shared = _Shared(plain, sets, place.device, torch.get_num_threads())

    def say(_key: str, told: object) -> None:
        ground.say(str(told))

    by_run: dict[str, list[Row]] = {}
    for row in rows:
        by_run.setdefault(row.entry.slug, []).append(row)
    for follow in (False, True):
        runs = [run for run in by_run.values() if (run[0].entry.teacher is not None) == follow]
        items: Mapping[str, tuple[Sequence[Row], int]] = {
            f"{run[0].name}, seed {seed}": (run, seed) for seed in range(seeds) for run in runs
        }
        why = train_elsewhere(
            place, _score_rows, shared, items,
            on_event=say, stop=ground.stop,
        )  # fmt: skip
        if why:
            return why
    return ""


def _score_rows(shared: _Shared, item: tuple[Sequence[Row], int], line: TaskLine) -> str:
    rows, seed = item
    torch.set_num_threads(shared.threads)
    common = shared.ground.terms
    runtime = open_runtime(shared.device, common.precision)
    its = replace(shared.ground, runtime=runtime, stop=line.stop, say=line.tell)
    with Measurer(1, Rules()) as measurer:
        for row in rows:
            ground = replace(its, terms=row.terms(common))
            if scored(ground, row.entry, seed, common.epochs, shared.sets, measurer) is None:
                return line.stop() or "asked to stop"
    return ""


def _never() -> str:
    return ""


def _nobody(line: str) -> None: ...
