"""Runs of the real trainer on a network of ten numbers, quick enough to be run by the thousand.

Real are the settings, the resume's decision, the plan, the optimizer and its groups, the trainer's
loop, the state and what a checkpoint holds, recovery and the journal. Made up are the network, its
gradient, the images, the scores, and the disk that checkpoints are kept on.
"""

import copy
import io
import math
import pickle
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from unittest import mock

import torch
from torch import nn

from decamo.checkpoint import Checkpoint
from decamo.checkpoint.load_save import Recovered
from decamo.data.dataset import Batch
from decamo.data.pairs import Pair
from decamo.data.stream import BatchStream
from decamo.data.waiting import Patience
from decamo.history import Event, Journal, Saved
from decamo.metrics import Scores
from decamo.nn import SegmentationNetwork
from decamo.schedule import Stage
from decamo.settings import ScheduleSettings, TrainSettings
from decamo.settings.plain import from_plain
from decamo.storage import RunFolder
from decamo.training.checkpoint_manager import CheckpointManager
from decamo.training.data_splits import DataSplits
from decamo.training.prepare import Parts, Prepared, prepare
from decamo.training.run_summary import run_line
from decamo.training.runtime import OutOfMemory, Runtime
from decamo.training.stability import GoBack, StabilityMonitor, Unhealthy
from decamo.training.state import TrainState
from decamo.training.step import StepOutcome, Stepper
from decamo.training.training_batches import TrainingBatches
from decamo.training.validation import ValidationSummary, Validator

State = dict[str, Any]

LEVELS = 4


class Tiny(nn.Module):
    """A head and four levels of a backbone, two numbers each."""

    def __init__(self) -> None:
        super().__init__()
        self.architecture = {"backbone": "tiny", "num_experts": 1, "width": 1,
                             "input_mean": [0.0] * 3, "input_std": [1.0] * 3}  # fmt: skip
        self.gradient_checkpointing = False
        self.gives_sides = self.gives_auxiliary = False
        self.head = nn.Parameter(torch.tensor([0.1, 0.2]))
        self.levels = nn.ParameterList(torch.tensor([0.3, k / 10]) for k in range(LEVELS))

    def groups(self) -> dict[str, dict[str, nn.Parameter]]:
        """As a segmenter's."""
        levels = {f"backbone.{k}": {f"levels.{k}": self.levels[k]} for k in range(LEVELS)}
        return {"head": {"head": self.head}, **levels}

    def set_learning(self, groups: Collection[str]) -> None:
        """As a segmenter's."""
        for name, members in self.groups().items():
            for parameter in members.values():
                parameter.requires_grad_(name in groups)

    def check_size(self, size: int, scale: float = 1.0) -> None:
        """It sees no image."""

    def backbone_norms(self) -> list[nn.Module]:
        """It has none."""
        return []

    def usage(self) -> torch.Tensor:
        """Of a single expert."""
        return torch.ones(LEVELS, 1)


@dataclass(frozen=True)
class Machines(Runtime):
    """Several devices, of which this process plays the first."""

    def any(self, flag: bool) -> bool:
        """They all are of one mind."""
        return flag

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Nobody waits."""
        yield


@dataclass
class Steps:
    """Optimizer steps along a made-up gradient; notes the rates that were applied.

    Attributes:
        model: that learns.
        optimizer: the real one.
        applied: group -> rate, or 0 where nothing of it learned; one entry a step.
        short: calls, from 1, in which memory runs out.
    """

    model: Tiny
    optimizer: torch.optim.Optimizer
    applied: list[dict[str, float]] = field(default_factory=list)
    short: frozenset[int] = frozenset()
    calls: int = 0

    def step(self, held: object, images: int, pieces: int, scale: float) -> StepOutcome:
        """As the stepper's."""
        self.calls += 1
        if self.calls in self.short:
            raise OutOfMemory(torn=False)
        for parameter in self.model.parameters():
            parameter.grad = torch.cos(3 * parameter.detach()) if parameter.requires_grad else None
        before = {n: p.tolist() for n, p in self.model.named_parameters()}
        self.optimizer.step()
        moved = {n for n, p in self.model.named_parameters() if p.tolist() != before[n]}
        applied = {}
        for group in self.optimizer.param_groups:
            learns = any(p.requires_grad for p in group["params"])
            applied[group["name"]] = group["lr"] if learns else 0.0
        names = {n: g for g, members in self.model.groups().items() for n in members}
        assert {names[n] for n in moved} == {g for g, rate in applied.items() if rate}
        self.applied.append(applied)
        return StepOutcome({"loss": 1.0}, 1.0, skipped=False)


class _Quick(pickle.Pickler):
    """Tensors as arrays of NumPy, which takes a tenth of the time of torch's own way."""

    def reducer_override(self, obj: object) -> Any:
        """Of any other object, what pickle does by itself."""
        if type(obj) is torch.Tensor:
            return torch.from_numpy, (obj.numpy().copy(),)
        return NotImplemented


def pickled(plain: State) -> bytes:
    """Plain values and tensors as bytes."""
    out = io.BytesIO()
    _Quick(out).dump(plain)
    return out.getvalue()


@dataclass
class Shelf:
    """A disk that keeps the newest checkpoint and the one before it.

    Attributes:
        worn: whether the newest is found damaged when the run goes back to it.
        forgets: whether nothing is kept, as nobody goes back to it.
    """

    folder: RunFolder
    settings: TrainSettings
    pickled: bytes = b""
    previous: bytes = b""
    worn: bool = False
    forgets: bool = False

    @property
    def held(self) -> State:
        """The plain values of the newest checkpoint, read anew."""
        return cast(State, pickle.loads(self.pickled))

    def save(self, state: TrainState, *, best: bool = False, epoch: int = 0) -> Iterator[Event]:
        """As the keeper's."""
        if not self.forgets:
            plain = state.checkpoint(self.settings).to_plain()
            self.previous, self.pickled = self.pickled, pickled(plain)
        yield Saved(self.folder.last, state.position, 0.0)

    def load_last(self) -> Recovered:
        """As the keeper's."""
        if self.worn and self.previous:
            self.pickled, self.previous = self.previous, b""
        return Recovered(Checkpoint.from_plain(self.held), self.folder.last)


@dataclass
class Examiner:
    """Gives every network the same score, unless asked to stop, or at the end of one stage."""

    stop: Callable[[], str]
    state: TrainState
    refuses: int = 0  # this stage's last epoch
    refused: bool = False
    why: str = ""
    stalled: None = None

    def run(self, predictor: object, step: int) -> Generator[Event, None, ValidationSummary | None]:
        """As the validator's."""
        yield from ()
        ends = {s.end_step: s.number for s in self.state.lineage.plan.stages}
        if ends.get(step) == self.refuses and self.state.position.micro:
            self.refused = True
        return (
            None
            if self.refused or self.stop()
            else ValidationSummary(Scores(0.5, 0.5, 0.1), 1, 0.0, 0.1, 0.1, 0.0)
        )


@dataclass
class Fate:
    """Sends a run back to its checkpoint, with half its rates, after certain steps; each once."""

    after: set[int]

    def after_step(self, state: TrainState, held: object) -> None:
        """As health's."""
        if state.position.step in self.after:
            self.after.discard(state.position.step)
            raise Unhealthy("as it was to be")

    def before_save(self, state: TrainState) -> None:
        """As health's."""

    def way_out(self, step: int, found: Unhealthy) -> Exception:
        """As health's."""
        return GoBack(found.why, slower=True)


class _Nothing(BatchStream):
    """Batches of nothing, at once and without end."""

    def __init__(self) -> None:
        self.patience = Patience()

    def poll(self, seconds: float) -> Batch:
        """Something that nobody looks at."""
        return cast(Batch, "nothing")

    def close(self) -> None:
        """There is nothing to end."""


class Endless(TrainingBatches):
    """Batches of nothing."""

    def batches(self, stage: Stage, epoch: int, micro: int) -> BatchStream:
        """As the feed's."""
        return _Nothing()


@dataclass
class Run:
    """A command ``decamo train``, up to the end or to where it is stopped.

    Attributes:
        prepared: by the real code.
        steps: whose rates are noted.
        shelf: where the checkpoint is found.
    """

    prepared: Prepared
    steps: Steps
    shelf: Shelf
    journal: Path

    def events(self) -> Iterator[Event]:
        """Train; everything is written into the journal first."""
        trainer = self.prepared.trainer
        with Journal(self.journal) as journal:
            journal.write("run", run_line(trainer.settings, self.prepared))
            # Nothing is held of a failed step, and a search for it takes longer than the run.
            with mock.patch("decamo.training.trainer.release"):
                for event in trainer.run():
                    journal.on_event(event)
                    yield event


def settings_of(schedule: ScheduleSettings, root: Path) -> TrainSettings:
    """Settings of a made-up run in the folder ``root``."""
    plain: dict[str, dict[str, Any]] = {
        "run": {"checkpoint_dir": str(root), "device": "cpu"},
        "data": {"num_workers": 0},
    }
    return replace(from_plain(plain), schedule=schedule)


def command(
    schedule: ScheduleSettings,
    root: Path,
    *,
    images: int,
    world: int = 1,
    checkpoint: State | None = None,
    stop_after: float = math.inf,
    short: frozenset[int] = frozenset(),
    bad: frozenset[int] = frozenset(),
    worn: bool = False,
    unvalidated: int = 0,
) -> Run:
    """Start a run, or go on with one.

    Args:
        schedule: the flags.
        root: the run folder.
        images: that train.
        world: devices.
        checkpoint: to go on from.
        stop_after: the question, from 1, that is first answered with a reason to stop.
        short: calls of a step in which memory runs out.
        bad: steps, by how many are made after them, that send the run back with half its rates.
        worn: whether the newest checkpoint is found damaged then.
        unvalidated: stage in the validation of whose last epoch the run is stopped; 0 for none.
    """
    root.mkdir(exist_ok=True)
    settings = settings_of(schedule, root)
    asked: list[bool] = []

    def stop() -> str:
        asked.append(True)
        return "enough" if len(asked) >= stop_after else ""

    def build(*_: object, **__: object) -> SegmentationNetwork:
        return cast(SegmentationNetwork, Tiny())

    pairs = tuple(Pair(Path(f"{i}.jpg"), Path(f"{i}.png"), str(i), "made", "train")
                  for i in range(images + 1))  # fmt: skip
    prepared = prepare(
        settings,
        RunFolder(root),
        Machines(torch.device("cpu"), None, 0, world),
        DataSplits(pairs[:-1], pairs[-1:], (), (), (), 0),
        Checkpoint.from_plain(copy.deepcopy(checkpoint)) if checkpoint else None,
        stop=stop,
        clock=lambda: 0.0,
        parts=Parts(build=build),
    )
    trainer = prepared.trainer
    steps = Steps(cast(Tiny, trainer.state.model), trainer.state.optimizer, short=short)
    shelf = Shelf(trainer.folder, settings, pickled(checkpoint) if checkpoint else b"")
    shelf.worn = worn
    examiner = Examiner(stop, trainer.state, unvalidated)
    trainer.stop = lambda: "enough" if examiner.refused else stop()
    trainer.stepper = cast(Stepper, steps)
    trainer.manager = cast(CheckpointManager, shelf)
    trainer.validator = cast(Validator, examiner)
    trainer.stability = cast(StabilityMonitor, Fate(set(bad)))
    real = trainer.training_batches
    trainer.training_batches = Endless(settings, real.runtime, real.pairs, planned=real.planned)
    return Run(prepared, steps, shelf, root / "journal.jsonl")
