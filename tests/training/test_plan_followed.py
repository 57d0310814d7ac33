"""The heart of it: the rate that is printed, written down and planned is the one applied.

Random lives of up to five commands, each held against :mod:`tests.training.oracle`.
"""

import contextlib
import copy
import json
import math
import tempfile
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from decamo.errors import MemoryExhausted, SettingsError
from decamo.history import (
    EpochDone,
    EpochRecord,
    Event,
    MemoryRanOut,
    RolledBack,
    Saved,
    StepDone,
)
from decamo.history.run_past import past_of_journal
from decamo.plan import HEAD, Position, review
from decamo.settings import ScheduleSettings
from tests.training.conftest import assert_equal
from tests.training.oracle import RATE_FLAGS, Life
from tests.training.simulated import Run, State, command

CURVES = st.sampled_from(["onecycle", "cosine", "cosine_restart", "none"])
FLAGS: dict[str, st.SearchStrategy[Any]] = {
    "epochs": st.integers(2, 9),
    "stage1_epochs": st.integers(0, 5),
    "skip_stage1": st.booleans(),
    "lr": st.sampled_from([0.0008, 0.00025]),
    "stage2_lr": st.sampled_from([0.0002, 0.0003, 0.00005]),
    "backbone_lr_ratio": st.sampled_from([0.1, 0.5]),
    "stage1_scheduler": CURVES,
    "scheduler": CURVES,
    "min_lr": st.sampled_from([0.00001, 0.00002]),
    "warmup_epochs": st.integers(0, 2),
    "t_mult": st.sampled_from([1.0, 2.0]),
    "cycles": st.integers(1, 3),
    "progressive_unfreeze": st.booleans(),
    "schedule_origin": st.sampled_from(["resume", "stage"]),
    "stage3_epochs": st.sampled_from([0, 0, 0, 1, 2]),
    "stage3_lr": st.sampled_from([0.00001, 0.00004]),
    "stage3_img_size": st.sampled_from([None, 64]),
    "img_size": st.sampled_from([32, 64]),
    "batch_size": st.integers(1, 3),
    "stage2_batch_size": st.sampled_from([None, 1, 2]),
    "accumulation_steps": st.integers(1, 3),
}
LONGER = {"epochs": st.integers(6, 16)}
CHANGES = st.one_of(
    st.just({}),
    st.fixed_dictionaries(LONGER),
    st.fixed_dictionaries(LONGER | {"skip_stage1": st.just(True)}),
    st.fixed_dictionaries({}, optional=FLAGS | LONGER),
)
IMAGES, WORLD = st.integers(2, 9), st.sampled_from([1, 1, 1, 2])
STOPS = st.one_of(st.none(), st.integers(1, 30))
KILLS = st.one_of(st.none(), st.none(), st.integers(2, 60))
FEW = st.frozensets(st.integers(1, 25), max_size=2)


@dataclass(frozen=True)
class Began:
    """The command that laid the plan in force."""

    schedule: ScheduleSettings
    images: int
    world: int
    checkpoint: State | None


class Lives(RuleBasedStateMachine):
    """A run and the oracle's account of it, command by command."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.root = Path(self.place.name)
        self.checkpoint: State | None = None
        self.began: Began | None = None  # the plan in force, where it was never disturbed
        self.life = Life({}, 0, 1)
        self.journalled: dict[int, dict[str, float]] = {}

    def teardown(self) -> None:
        self.place.cleanup()

    @initialize(
        flags=st.fixed_dictionaries(FLAGS), images=IMAGES, world=WORLD, stop=STOPS, bad=FEW
    )
    def start(
        self, flags: dict[str, Any], images: int, world: int, stop: int | None, bad: frozenset[int]
    ) -> None:
        schedule = accepted(flags)
        self.life = Life(asdict(schedule), images, world)
        self.life.start()
        self.began = Began(schedule, images, world, None)
        self.follow(command(schedule, self.root, images=images, world=world, bad=bad,
                            stop_after=stop or math.inf))  # fmt: skip

    @rule(changes=CHANGES, images=st.one_of(st.none(), st.none(), st.none(), IMAGES),
          world=st.one_of(st.none(), st.none(), st.none(), WORLD), stop=STOPS, bad=FEW,
          short=FEW, kill=KILLS)  # fmt: skip
    def resume(
        self,
        changes: dict[str, Any],
        images: int | None,
        world: int | None,
        stop: int | None,
        bad: frozenset[int],
        short: frozenset[int],
        kill: int | None,
    ) -> None:
        life, before = self.life, dict(self.life.flags)
        schedule = accepted({**before, **changes})
        images, world = images or life.images, world or life.world
        if life.done >= schedule.last_epoch:
            return
        try:
            run = command(schedule, self.root, images=images, world=world,
                          checkpoint=self.checkpoint, stop_after=stop or math.inf,
                          short=short, bad=bad)  # fmt: skip
        except SettingsError as refused:
            assert refused.what == "--warmup-epochs"
            return
        rate, stage = (life.rates or [0.0])[-1], life.last_stage()
        word = life.resume(asdict(schedule), images, world)
        resumption = run.prepared.resumption
        assert resumption.word == word
        if word != "continue":
            self.began = Began(schedule, images, world, self.checkpoint)
        if life.ahead and life.ahead[0].stage == stage and life.rates and word != "continue":
            self.only_rises_when_said(run, before, rate)
        self.follow(run, kill)

    def only_rises_when_said(self, run: Run, before: dict[str, Any], rate: float) -> None:
        """The first rate after a resume is above the last only by a flag, or with a warning."""
        resumption, flags = run.prepared.resumption, self.life.flags
        now = resumption.ledger.rates_at(resumption.position.step)[HEAD]
        said = any("rises from" in w for w in review(resumption.ledger, resumption.position))
        asked = any(before[name] != flags[name] for name in RATE_FLAGS)
        assert now <= rate * (1 + 1e-9) or said or (asked and resumption.word == "branch")

    def follow(self, run: Run, until: int | None = None) -> None:
        """Let it run, and hold every step and every epoch against the oracle.

        Args:
            run: ready to run.
            until: the event after which the process is killed; None for never.
        """
        marks: dict[Position, Life] = {}  # where each checkpoint stands in the oracle's account
        with contextlib.suppress(MemoryExhausted):  # single images did not fit
            for event in islice(run.events(), until):
                self.hear(run, event, marks)
        self.checkpoint = run.shelf.held
        position = Position(**self.checkpoint["position"])
        self.life = life = copy.deepcopy(marks[position])  # what was not saved is lost
        assert (position.epoch, position.step) == (life.done, len(life.rates))
        self.the_journal_says_so(run)
        if not life.ahead:
            self.ends_on_its_floor(run)
            self.is_as_if_never_stopped()

    def is_as_if_never_stopped(self) -> None:
        """All commands that were ``continue`` together left what one would have left."""
        if self.began is None:
            return
        whole = command(self.began.schedule, self.root, images=self.began.images,
                        world=self.began.world, checkpoint=self.began.checkpoint)  # fmt: skip
        list(whole.prepared.trainer.run())
        for state in (whole.shelf.held, self.checkpoint):
            assert state is not None
        assert_equal(*({k: v for k, v in (state or {}).items() if k != "settings"}
                       for state in (whole.shelf.held, self.checkpoint)))  # fmt: skip

    def hear(self, run: Run, event: Event, marks: dict[Position, Life]) -> None:
        life, ledger = self.life, run.prepared.trainer.state.ledger
        if isinstance(event, StepDone):
            number, _, rates = life.step()
            step = len(life.rates) - 1
            assert event.record.step == step
            assert event.record.epoch == number == ledger.epoch_of(step)
            applied = run.steps.applied[-1]
            assert event.record.lr == applied == ledger.rates_at(step)
            assert applied == pytest.approx(rates, rel=1e-9)
            assert event.done <= event.of == len(ledger.steps_of(number))
            assert step in ledger.steps_of(number)
            self.journalled[step] = applied
        elif isinstance(event, EpochDone):
            record, first = event.record, len(life.rates) - life.made
            assert record.epoch == life.ahead[0].number
            assert record.lr == self.journalled[ledger.steps_of(record.epoch).start]
            assert ledger.steps_of(record.epoch) == range(first, len(life.rates))
            assert record.line().endswith(f"LR: {self.journalled[first][HEAD]:.6f}")
            life.end_epoch()
        elif isinstance(event, Saved):
            marks[event.position] = copy.deepcopy(life)
        elif isinstance(event, RolledBack):
            self.life = copy.deepcopy(marks[event.position])
            self.life.share = life.share / 2
            self.began = None
        elif isinstance(event, MemoryRanOut):
            self.began = None

    def the_journal_says_so(self, run: Run) -> None:
        """What diagnosis and report read is what was applied."""
        # A kill can come between the line of an epoch and its checkpoint.
        points = [p for p in past_of_journal(run.journal).points if p.epoch <= self.life.done]
        records = [EpochRecord.from_plain(r) for r in self.checkpoint["history"]]  # type: ignore[index]
        assert [p.epoch for p in points] == [r.epoch for r in records]
        assert [p.rates for p in points] == [r.lr for r in records]
        steps = {}
        for line in run.journal.read_text().splitlines():
            entry = json.loads(line)
            if entry["kind"] == "step":
                steps[entry["step"]] = entry["lr"]
        made = range(len(self.life.rates))
        assert {s: steps[s] for s in made} == {s: self.journalled[s] for s in made}

    def ends_on_its_floor(self, run: Run) -> None:
        """The last step of the plan is the last one trained, at the floor exactly."""
        life, plan = self.life, run.prepared.trainer.state.ledger.plan
        flags = life.flags
        assert life.done == plan.last_epoch == flags["epochs"] + flags["stage3_epochs"]
        assert len(life.rates) == plan.end_step
        stage = plan.stages[-1].number
        peak, kind = {1: ("lr", flags["stage1_scheduler"]), 2: ("stage2_lr", flags["scheduler"]),
                      3: ("stage3_lr", "none")}[stage]  # fmt: skip
        last = flags[peak] if kind == "none" else min(flags["min_lr"], flags[peak])
        assert self.journalled[plan.end_step - 1][HEAD] == last * life.share


def accepted(flags: dict[str, Any]) -> ScheduleSettings:
    """The flags as settings, with fewer epochs of stage 1 and warm-up where they contradict."""
    stage1 = flags["stage1_epochs"]
    if not flags["skip_stage1"]:
        stage1 = min(stage1, flags["epochs"] - 1)
    stage2 = flags["epochs"] - (0 if flags["skip_stage1"] else stage1)
    warm = min(flags["warmup_epochs"], stage2 - 1)
    return ScheduleSettings(**{**flags, "stage1_epochs": stage1, "warmup_epochs": warm})


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=200,
    stateful_step_count=5,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
