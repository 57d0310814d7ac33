"""Diagnosis inside other trainers: a run that somebody else trains, watched epoch by epoch."""

import json
import math
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any

from decamo.api.run import Run, RunDiagnosis
from decamo.diagnosis import TARGET
from decamo.diagnosis.symptom import SymptomKind
from decamo.errors import SettingsError
from decamo.storage import make_folder, storage_error

__all__ = ["Watch", "lightning_callback", "transformers_callback"]

_QUIET = (SymptomKind.TOO_EARLY, SymptomKind.HEALTHY)


class Watch:
    """A run of another trainer: written down epoch by epoch, and diagnosed as it goes on.

    What is written is a log of JSON lines, ``log.jsonl`` in the folder; ``decamo diagnose`` and
    :class:`decamo.Run` read the folder at any time, also from elsewhere. A run that is resumed goes
    on in the same folder; of an epoch that is trained again the later line counts.

    Args:
        folder: made if missing.
        target: IoU to reach, in (0, 1].
        on_verdict: called with the diagnosis whenever its verdict changes and there is something to
            say, which is not so while it is too early or all is well.

    Raises:
        StorageError: the folder cannot be made.

    Example:
        >>> watch = decamo.Watch("theirs", target=0.72)
        >>> for epoch in range(1, 31):
        ...     found = watch.epoch(epoch, lr=0.00005, train_loss=0.31, val_iou=0.62)
        >>> found.verdict
        'plateau'
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        target: float = TARGET,
        on_verdict: Callable[[RunDiagnosis], object] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.run = Run(self.folder)
        self._target, self._on_verdict = target, on_verdict
        self._told = SymptomKind.TOO_EARLY
        make_folder(self.folder)

    def epoch(self, epoch: int, /, **metrics: float) -> RunDiagnosis:
        """Write an epoch down, and say what ails the run up to there.

        Args:
            epoch: its number.
            metrics: by the names that logs have, such as ``train_loss``, ``val_iou``, ``val_dice``,
                ``val_mae``, ``val_loss``, ``lr``, ``lr_backbone``.

        Raises:
            StorageError: nothing can be written.
        """
        values = {name: float(value) for name, value in metrics.items()}
        finite = {n: v if math.isfinite(v) else None for n, v in values.items()}
        log = self.folder / "log.jsonl"
        try:
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"epoch": epoch, **finite}) + "\n")
        except OSError as error:
            raise storage_error(log, error) from error
        self.run = Run(self.folder)
        found = self.run.diagnose(self._target)
        kind = found.diagnosis.kind
        if self._on_verdict is not None and kind is not self._told and kind not in _QUIET:
            self._on_verdict(found)
        self._told = kind
        return found


def lightning_callback(
    folder: str | Path,
    *,
    target: float = TARGET,
    on_verdict: Callable[[RunDiagnosis], object] | None = None,
) -> Any:
    """A callback for Lightning's ``Trainer`` that feeds a :class:`Watch`.

    It writes down what the module logs by the epoch (``self.log("val_iou", ...)``) and the learning
    rates of the optimizers' groups, in the first process alone.

    Args:
        folder: see :class:`Watch`.
        target: IoU to reach.
        on_verdict: see :class:`Watch`.

    Raises:
        SettingsError: Lightning is not installed.
    """
    base = import_module(_installed("lightning.pytorch", "pytorch_lightning")).Callback
    watch = Watch(folder, target=target, on_verdict=on_verdict)

    class WatchCallback(base):  # type: ignore[misc, valid-type]
        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            if trainer.is_global_zero:
                logged = {k: float(v) for k, v in trainer.callback_metrics.items()}
                rates = _rates(trainer.optimizers)
                watch.epoch(trainer.current_epoch + 1, **{**rates, **logged})

    return WatchCallback()


def transformers_callback(
    folder: str | Path,
    *,
    target: float = TARGET,
    on_verdict: Callable[[RunDiagnosis], object] | None = None,
) -> Any:
    """A callback for the ``Trainer`` of transformers that feeds a :class:`Watch`.

    It writes down each evaluation with the losses logged since the one before and the learning rate
    last logged, in the first process alone. Evaluations by the epoch are numbered by it, others are
    counted.

    Args:
        folder: see :class:`Watch`.
        target: IoU to reach.
        on_verdict: see :class:`Watch`.

    Raises:
        SettingsError: transformers is not installed.
    """
    base = import_module(_installed("transformers")).TrainerCallback
    watch = Watch(folder, target=target, on_verdict=on_verdict)

    class WatchCallback(base):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            self.losses: list[float] = []
            self.rate: dict[str, float] = {}
            self.count = 0

        def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            logs: Mapping[str, float] = more.get("logs") or {}
            if "loss" in logs:
                self.losses.append(logs["loss"])
            if "learning_rate" in logs:
                self.rate = {"lr": logs["learning_rate"]}

        def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.count += 1
            by_epoch = str(args.eval_strategy) in ("epoch", "IntervalStrategy.EPOCH")
            loss = {"train_loss": fmean(self.losses)} if self.losses else {}
            scores = {
                key.replace("eval_", "val_", 1): value
                for key, value in (more.get("metrics") or {}).items()
                if isinstance(value, int | float) and key not in _TIMES
            }
            self.losses = []
            if state.is_world_process_zero:
                number = round(state.epoch) if by_epoch else self.count
                watch.epoch(number, **self.rate, **loss, **scores)

    return WatchCallback()


_TIMES = ("epoch", "eval_runtime", "eval_samples_per_second", "eval_steps_per_second")


def _installed(*names: str) -> str:
    for name in names:
        if find_spec(name.partition(".")[0]) is not None:
            return name
    raise SettingsError(
        "callback", f"{names[0].partition('.')[0]} is not installed", "install it beside decamo"
    )


def _rates(optimizers: Any) -> dict[str, float]:
    """Learning rates by group: ``lr`` for a single one."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    if len(groups) == 1:
        return {"lr": float(groups[0]["lr"])}
    return {f"lr_{group.get('name', n)}": float(group["lr"]) for n, group in enumerate(groups)}
