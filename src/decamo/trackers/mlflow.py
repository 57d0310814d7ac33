"""MLflow, on the server or the store that its own variables name."""

import os
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from decamo.trackers.scalars import Row
from decamo.trackers.tracking import TrackedRun

__all__ = ["Mlflow", "open_mlflow"]

_METRICS, _PARAMS, _LONGEST = 1000, 100, 6000  # that a call may have; characters of a parameter


class Mlflow:
    """One run of MLflow, written by its client, which leaves the process's active run alone.

    Args:
        client: an ``MlflowClient``.
        id: of the run.
    """

    def __init__(self, client: Any, id: str) -> None:
        self._client, self.id = client, id
        # A batch may have been cut by a kill between two metrics of one step.
        self._last = {name: self._newest(name) for name in client.get_run(id).data.metrics}

    def position(self) -> int:
        """The step of the newest loss, which may lack others of its numbers."""
        return max(self._last.get("loss/total", 0), 0)

    def log(self, rows: Sequence[Row]) -> None:
        """Send the numbers, each once, in calls as large as MLflow allows."""
        metric = import_module("mlflow.entities").Metric
        now = int(time.time() * 1000)
        new = [
            metric(name, float(value), now, step)
            for step, values in rows
            for name, value in values.items()
            if step > self._last.get(name, -1)
        ]
        for some in _pieces(new, _METRICS):
            self._client.log_batch(self.id, metrics=some)
            self._last |= {one.key: one.step for one in some}

    def close(self) -> None:
        """Say that the run is over."""
        self._client.set_terminated(self.id)

    def _newest(self, name: str) -> int:
        return max((m.step for m in self._client.get_metric_history(self.id, name)), default=-1)


def open_mlflow(run: TrackedRun) -> Mlflow:
    """Begin a run, or go on with it.

    ``MLFLOW_TRACKING_URI`` names the server and ``MLFLOW_EXPERIMENT_NAME`` the experiment.
    """
    client = import_module("mlflow").MlflowClient()
    if run.id:
        client.update_run(run.id, status="RUNNING")
        return Mlflow(client, run.id)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "decamo")
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    begun = client.create_run(experiment, run_name=run.folder.resolve().name)
    param = import_module("mlflow.entities").Param
    params = [param(k, str(v)[:_LONGEST]) for k, v in run.flat_settings.items()]
    for some in _pieces(params, _PARAMS):
        client.log_batch(begun.info.run_id, params=some)
    return Mlflow(client, begun.info.run_id)


def _pieces(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[at : at + size] for at in range(0, len(values), size))
