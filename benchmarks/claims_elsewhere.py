"""The runs of ``python -m benchmarks claims`` as tasks of a cluster."""

from dataclasses import dataclass, replace

import torch

from benchmarks.claims_study import Study
from benchmarks.elsewhere import train_elsewhere
from decamo.cluster.tasks import Place, TaskLine
from decamo.history import EpochDone, Event
from decamo.races.branch import Branch
from decamo.training.runtime import Runtime, open_runtime

__all__ = ["study_elsewhere"]


@dataclass(frozen=True)
class _Told:
    """An event of a branch; of the stalled run where its name is empty."""

    seed: int
    branch: str
    event: EpochDone


@dataclass(frozen=True)
class _Shared:
    study: Study
    threads: int


def study_elsewhere(study: Study, place: Place) -> str:
    """Train all stalled runs, then all branches of all of them, as many at once as there is room.

    Returns:
        why it stopped before its end, if it did; the same command goes on.

    Raises:
        SettingsError: the folder holds another study.
        DecamoError: of a run, or of the cluster.
    """
    plain = replace(
        study,
        root=study.root.absolute(),
        runtime=Runtime(torch.device(place.device)),
        stop=_never,
        on_event=_nobody,
    )
    plain.open()
    shared = _Shared(plain, torch.get_num_threads())

    def on_event(_key: str, told: object) -> None:
        if isinstance(told, _Told):
            study.on_event(told.seed, told.branch, told.event)

    bases: dict[str, tuple[int, Branch | None]] = {
        f"seed {seed}": (seed, None) for seed in range(study.seeds)
    }
    branches: dict[str, tuple[int, Branch | None]] = {
        f"seed {seed}, {branch.name}": (seed, branch)
        for seed in range(study.seeds)
        for branch in study.branches
    }
    for items in (bases, branches):
        why = train_elsewhere(place, _train_run, shared, items, on_event=on_event, stop=study.stop)
        if why:
            return why
    return ""


def _train_run(shared: _Shared, item: tuple[int, Branch | None], line: TaskLine) -> str:
    seed, branch = item
    torch.set_num_threads(shared.threads)

    def tell(seed: int, branch: str, event: Event) -> None:
        if isinstance(event, EpochDone):
            line.tell(_Told(seed, branch, event))

    study = shared.study
    runtime = open_runtime(study.runtime.device.type, study.settings.run.precision)
    study = replace(study, runtime=runtime, stop=line.stop, on_event=tell)
    return study.base(seed) if branch is None else study.trial(seed, branch)


def _never() -> str:
    return ""


def _nobody(seed: int, branch: str, event: Event) -> None: ...
