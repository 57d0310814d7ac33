"""The loop: a generator of events that knows no listener and keeps no schedule of its own."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from decamo.checkpoint import Best, EpochSums
from decamo.data.dataset import Batch
from decamo.data.stream import BatchStream
from decamo.data.waiting import LISTEN_S, StopAsked
from decamo.errors import DataStalled, RateMismatch
from decamo.history import (
    Baseline,
    EpochDone,
    EpochRecord,
    Event,
    GroupsOpened,
    Interrupted,
    MemoryRanOut,
    ReadingTrouble,
    Scored,
    StageStarted,
    StepDone,
    StepRecord,
)
from decamo.inference.predictor import Predictor
from decamo.schedule import SegmentKind, Stage
from decamo.settings import TrainSettings
from decamo.storage import RunFolder
from decamo.training.checkpoint_manager import CheckpointManager
from decamo.training.optimizer_groups import apply_lr
from decamo.training.runtime import OutOfMemory, Runtime, release
from decamo.training.stability import (
    GoBack,
    StabilityMonitor,
    Unhealthy,
    make_room,
    return_to_checkpoint,
)
from decamo.training.state import TrainState
from decamo.training.step import StepOutcome, Stepper
from decamo.training.training_batches import TrainingBatches
from decamo.training.validation import ValidationSummary, Validator

__all__ = ["Trainer"]

_ELSEWHERE = "as another process was asked to stop"


@dataclass
class Trainer:
    """A run that is ready to train.

    Attributes:
        settings: what the user chose.
        runtime: device and ranks.
        state: all that changes.
        stepper: one optimizer step.
        manager: writes checkpoints.
        validator: scores the held-out images.
        stability: watches for what is not finite.
        training_batches: what each step is fed.
        stop: asked between steps; a reason saves and ends the run, nothing lets it go on.
        clock: seconds from any fixed moment, only ever rising.
        waiting: asked while data is awaited, as ``stop`` is between steps.
        saved: whether the newest checkpoint in the run folder is this very state.
        learning: groups that learn now.
        stalled: set where the run stopped because data did not come.
    """

    settings: TrainSettings
    runtime: Runtime
    state: TrainState
    stepper: Stepper
    manager: CheckpointManager
    validator: Validator
    stability: StabilityMonitor
    training_batches: TrainingBatches
    stop: Callable[[], str]
    clock: Callable[[], float]
    waiting: Callable[[], str] = lambda: ""
    saved: bool = False
    learning: frozenset[str] = field(default=frozenset(), init=False)
    stalled: DataStalled | None = field(default=None, init=False)

    @property
    def folder(self) -> RunFolder:
        """Where the run lives."""
        return self.manager.folder

    def run(self) -> Iterator[Event]:
        """Train from the state's position to the end of its plan.

        It saves before the first step, so that there is always a checkpoint to go back to, and a
        full disk is found before hours are spent.

        Raises:
            TrainingDiverged: loss or gradient stayed non-finite, and going back did not help.
            MemoryExhausted: not even single images fit.
            StorageError: a checkpoint could not be written.
            UnreadableImage: a file that could be read before can not be read now.
        """
        if self.saved:
            yield from self.manager.catch_up(self.state)
        else:
            yield from self.manager.save(self.state)
        while True:
            try:
                why = yield from self._rest()
                break
            except GoBack as back:
                self.learning = frozenset()
                yield return_to_checkpoint(self.state, self.manager, self.runtime, back)
        if why:
            yield Interrupted(self.state.position, why)

    def _rest(self) -> Generator[Event, None, str]:
        """Train what is left of the plan; returns why it stopped before the end, if it did."""
        if why := (yield from self._baseline()):
            return why
        for stage in self.state.lineage.plan.stages:
            if self.state.position.step < stage.end_step or self._epoch_is_open(stage):
                yield StageStarted(stage, self.state.position.epoch + 1)
                if why := (yield from self._stage(stage)):
                    return why
        return ""

    def _epoch_is_open(self, stage: Stage) -> bool:
        """Whether the stage's last epoch is trained but not validated."""
        return bool(self.state.position.micro) and self.state.position.epoch < stage.last_epoch

    def _baseline(self) -> Generator[Event, None, str]:
        """What the weights are worth before they move; an unchanged run knows that already."""
        segment = self.state.lineage.last
        if (
            segment.kind in (SegmentKind.START, SegmentKind.BRANCH)
            and self.state.position.step == segment.at_step
        ):
            epoch = self.state.position.epoch + 1
            found = yield from self._validate(self.state.lineage.plan.stage_of_epoch(epoch))
            if found is None:
                return self._why_unscored()
            yield Baseline(epoch, found.scores.iou, found.scores.dice, found.scores.mae)
        return ""

    def _stage(self, stage: Stage) -> Generator[Event, None, str]:
        """Train the rest of a stage; returns why it stopped before its end, if it did."""
        position = self.state.position
        with self.training_batches.batches(stage, position.epoch + 1, position.micro) as batches:
            for epoch in range(position.epoch + 1, stage.last_epoch + 1):
                why = yield from self._train_epoch(stage, epoch, batches)
                if not why:
                    why = yield from self._end_epoch(stage, epoch)
                if why:
                    return why
        return ""

    def _train_epoch(
        self, stage: Stage, epoch: int, batches: BatchStream
    ) -> Generator[Event, None, str]:
        """Train the rest of an epoch; where asked to stop before its end, save and return why."""
        self.runtime.phase(f"epoch {epoch}")
        self.state.model.train()
        of = self.training_batches.micro_batches(stage)
        while self.state.position.micro < of:
            if (now := stage.learning(self.state.position.step)) != self.learning:
                self.learning = now
                self.state.model.set_learning(now)
                yield GroupsOpened(self.state.position.step, now)
            try:
                record = yield from self._step(stage, epoch, batches)
            except StopAsked as asked:  # before the step, so that nothing has moved
                yield from self._save()
                return asked.why
            done = -(-self.state.position.micro // stage.accumulation)
            yield StepDone(record, done, stage.steps_per_epoch)
            if self.state.position.micro < of and (why := self._why()):
                yield from self._save()
                return why
        return ""

    def _step(
        self, stage: Stage, epoch: int, batches: BatchStream
    ) -> Generator[Event, None, StepRecord]:
        began = self.clock()
        position = self.state.position
        micro = min(stage.accumulation, self.training_batches.micro_batches(stage) - position.micro)
        images = self.training_batches.images_in(stage, position.micro, micro)
        rates = apply_lr(self.stepper.optimizer, self.state.lineage.plan, position.step)
        held = yield from self._held(batches, micro)
        self.runtime.reseed(self.settings.run.seed, position.step)
        if position.micro == 0:
            self.state.sums = replace(self.state.sums, lr=rates)
        outcome = yield from self._fitted(stage, held, images)
        self._look(outcome, held)
        seconds = self.clock() - began
        self.state.sums = self.state.sums.add(images, outcome.parts, seconds, outcome.skipped)
        self.state.position = replace(
            position, step=position.step + 1, micro=position.micro + micro
        )
        return StepRecord(
            position.step, epoch, outcome.loss, outcome.parts, rates,
            outcome.grad_norm, outcome.skipped,
        )  # fmt: skip

    def _held(self, batches: BatchStream, micro: int) -> Generator[Event, None, list[Batch]]:
        """The micro-batches of a step; requests to stop are heard while they are awaited.

        Raises:
            StopAsked: in any process; nothing has been done yet.
        """
        held: list[Batch] = []
        why = ""
        while len(held) < micro and not why:
            try:
                if (batch := batches.poll(LISTEN_S)) is not None:
                    held.append(batch)
                else:
                    why = self.waiting()
            except DataStalled as stalled:
                self.stalled, why = stalled, str(stalled)
            for what in batches.patience.take_notes():
                yield ReadingTrouble(self.state.position.step, what)
        if self.runtime.any(bool(why)):
            raise StopAsked(why or _ELSEWHERE)
        return held

    def _fitted(
        self, stage: Stage, held: Sequence[Batch], images: int
    ) -> Generator[Event, None, StepOutcome]:
        """The step, in as many pieces as it takes to fit."""
        while True:
            step = self.state.position.step
            now, scale = self.state.lineage.plan.stage_at(step), self.training_batches.scale(step)
            try:
                return self.stepper.step(held, images, self.training_batches.splits(now), scale)
            except OutOfMemory as short:
                torn = short.torn
            release(self.runtime.device)
            self.state.lineage = make_room(self.state, self.stepper, stage, torn)
            where = "optimiser" if torn else "training"
            yield MemoryRanOut(where, step, self.state.lineage.last.reason)
            if torn:
                raise GoBack("the optimizer ran out of memory half-way", slower=False)

    def _look(self, outcome: StepOutcome, held: Sequence[Batch]) -> None:
        """Count a bad step; too many of them end the run or send it back."""
        self.state.bad_steps = self.state.bad_steps + 1 if outcome.skipped else 0
        try:
            self.stability.after_step(self.state, held)
        except Unhealthy as found:
            raise self.stability.way_out(self.state.position.step, found) from found

    def _end_epoch(self, stage: Stage, epoch: int) -> Generator[Event, None, str]:
        self._check()
        began = self.clock()
        found = yield from self._validate(stage)
        if found is None:  # the epoch stays open: trained, not yet validated
            yield from self._save()
            return self._why_unscored()
        record = self._record(stage, epoch, found, self.clock() - began)
        best = record.iou > self.state.best.iou
        if best:
            self.state.best = Best(record.iou, epoch, self.state.best.images)
        self.state.history = [r for r in self.state.history if r.epoch < epoch] + [record]
        self.state.position = replace(self.state.position, epoch=epoch, micro=0)
        self.state.sums = EpochSums()
        yield EpochDone(record, best)
        yield from self.manager.save(self.state, best=best, epoch=epoch)
        at_end = self.state.position.step >= self.state.lineage.plan.end_step
        return "" if at_end else self._why()

    def _validate(self, stage: Stage) -> Generator[Event, None, ValidationSummary | None]:
        self.runtime.phase("a validation")
        predictor = Predictor(
            self.state.shipped, stage.img_size, self.runtime.device, self.runtime.dtype
        )
        found = yield from self.validator.run(predictor, self.state.position.step)
        if found is not None:
            yield Scored(self.state.position.step, found.ious)
        return found

    def _record(
        self, stage: Stage, epoch: int, found: ValidationSummary, seconds: float
    ) -> EpochRecord:
        parts = self.state.sums.means()
        return EpochRecord(
            epoch=epoch,
            stage=stage.number,
            step=self.state.position.step,
            loss=sum(parts.values()),
            parts=parts,
            iou=found.scores.iou,
            dice=found.scores.dice,
            mae=found.scores.mae,
            lr=self._rates_of(epoch),
            train_seconds=self.state.sums.seconds,
            val_seconds=seconds,
            img_size=stage.img_size,
            usage=tuple(self.state.model.usage().mean(0).tolist()),
            val_images=found.images,
            iou_sd=found.iou_sd,
            object_share=found.object_share,
            predicted_share=found.predicted_share,
            sure_wrong=found.sure_wrong,
            skipped=self.state.sums.skipped,
            gates=found.routing.gates,
            routing_entropy=found.routing.entropy,
            routing_balance=found.routing.balance,
        )

    def _rates_of(self, epoch: int) -> dict[str, float]:
        """The rates at the epoch's first step: what the plan says, and what the optimizer had.

        Raises:
            RateMismatch: the two differ.
        """
        first = self.state.lineage.steps_of(epoch).start
        planned, applied = self.state.lineage.rates_at(first), self.state.sums.lr
        if applied and applied != planned:  # a file of 0.1.0 does not say what was applied
            group = next(g for g in planned if applied.get(g) != planned[g])
            raise RateMismatch(
                f"epoch {epoch}, {group}",
                f"planned at {planned[group]:g}, trained at {applied.get(group, 0.0):g}",
                "this is a fault of decamo: file an issue with the run folder; the last checkpoint"
                " is sound",
            )
        return planned

    def _save(self) -> Iterator[Event]:
        """Save in the middle of an epoch, unless that would replace a healthy checkpoint."""
        self._check()
        yield from self.manager.save(self.state)

    def _check(self) -> None:
        try:
            self.stability.before_save(self.state)
        except Unhealthy as found:
            raise self.stability.way_out(self.state.position.step, found) from found

    def _why(self) -> str:
        """Why to stop now, the same in all processes."""
        why = self.stop()
        return (why or _ELSEWHERE) if self.runtime.any(bool(why)) else ""

    def _why_unscored(self) -> str:
        """Why a validation was left, in whichever process."""
        self.stalled = self.validator.stalled
        return self._why() or self.validator.why or _ELSEWHERE
