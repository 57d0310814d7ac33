"""The heart of it: the rate that is printed, written down and planned is the one applied.

Random lives of up to five commands, each held against :mod:`tests.training.oracle`.
"""

import contextlib
import json
import math
import tempfile
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from decamo.errors import CheckpointDamaged, MemoryExhausted, RateMismatch, SettingsError
from decamo.history import (
    EpochDone,
    EpochRecord,
    Event,
    GroupsOpened,
    MemoryRanOut,
    RolledBack,
    Saved,
    StepDone,
)
from decamo.history.run_log import log_of_journal
from decamo.schedule import (
    HEAD,
    Lineage,
    Plan,
    Position,
    Segment,
    SegmentKind,
    plan_of,
    resume,
    review,
)
from decamo.settings import ScheduleSettings
from tests.training.conftest import assert_equal
from tests.training.oracle import RATE_FLAGS, Impossible, Life
from tests.training.rates_table import BEFORE, IMAGES, OPTION_1, Row, after_86, rows
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
FAST = 40  # lives, the same in every `make test`: what it finds must not depend on chance
LONGER = {"epochs": st.integers(6, 16)}
CHANGES = st.one_of(
    st.just({}),
    st.fixed_dictionaries(LONGER),
    st.fixed_dictionaries(LONGER | {"skip_stage1": st.just(True)}),
    st.one_of([st.fixed_dictionaries({flag: values}) for flag, values in FLAGS.items()]),
    st.one_of([st.fixed_dictionaries({flag: FLAGS[flag]} | LONGER) for flag in FLAGS]),
    st.fixed_dictionaries({}, optional=FLAGS | LONGER),
    st.fixed_dictionaries({}, optional={f: FLAGS[f] for f in RATE_FLAGS} | LONGER),
)
SOME_IMAGES, DEVICES = st.integers(2, 9), st.sampled_from([1, 1, 1, 2])
STOPS = st.one_of(st.none(), st.integers(1, 30))
KILLS = st.one_of(st.none(), st.none(), st.integers(2, 60))
FEW = st.frozensets(st.integers(1, 25), max_size=2)
SOON = st.sampled_from([0, 0, 1, 2, 4])  # steps of a command until it has to go back; 0 for none
WORN = st.sampled_from([False, False, True])
UNVALIDATED = st.sampled_from([0, 0, 0, 1, 2, 3])


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
        self.parts = 0  # commands that went on with it
        self.worlds: set[int] = set()  # devices of these commands
        self.journalled: dict[int, dict[str, float]] = {}

    def teardown(self) -> None:
        self.place.cleanup()

    @initialize(
        flags=st.fixed_dictionaries(FLAGS),
        images=SOME_IMAGES,
        world=DEVICES,
        stop=STOPS,
        bad=FEW,
        unvalidated=UNVALIDATED,
    )
    def start(
        self,
        flags: dict[str, Any],
        images: int,
        world: int,
        stop: int | None,
        bad: frozenset[int],
        unvalidated: int,
    ) -> None:
        schedule = accepted(flags)
        self.life = Life(asdict(schedule), images, world)
        self.life.start()
        self.began, self.worlds = Began(schedule, images, world, None), {world}
        self.follow(command(schedule, self.root, images=images, world=world, bad=bad,
                            unvalidated=unvalidated,
                            stop_after=stop or math.inf))  # fmt: skip

    @rule(changes=CHANGES, images=st.one_of(st.none(), st.none(), st.none(), SOME_IMAGES),
          world=st.one_of(st.none(), st.none(), st.none(), DEVICES), stop=STOPS, bad=FEW,
          short=FEW, kill=KILLS, soon=SOON, worn=WORN,
          unvalidated=UNVALIDATED)  # fmt: skip
    def resume(
        self,
        changes: dict[str, Any],
        images: int | None,
        world: int | None,
        stop: int | None,
        bad: frozenset[int],
        short: frozenset[int],
        kill: int | None,
        soon: int,
        worn: bool,
        unvalidated: int,
    ) -> None:
        life = unchanged = self.life
        before = dict(life.flags)
        schedule = accepted({**before, **changes})
        images, world = images or life.images, world or life.world
        if life.done >= schedule.last_epoch:
            return
        rate, stage, flags = (life.rates or [0.0])[-1], life.last_stage(), asdict(schedule)
        self.life = life = life.copy()
        how: dict[str, Any] = {"images": images, "world": world, "checkpoint": self.checkpoint}
        try:
            word = life.resume(flags, images, world)
        except Impossible:
            self.life = unchanged
            with pytest.raises(SettingsError, match="--warmup-epochs"):
                command(schedule, self.root, **how)
            return
        bad |= {len(life.rates) + soon} if soon else set()
        how |= {"short": short, "bad": bad, "worn": worn, "unvalidated": unvalidated}
        run = command(schedule, self.root, stop_after=stop or math.inf, **how)
        resumption = run.prepared.resumption
        assert resumption.kind == word
        self.parts += 1
        if word != "continue":
            self.began, self.parts = Began(schedule, images, world, self.checkpoint), 0
            self.worlds = set()
        self.worlds.add(world)
        if life.rates and life.next_stage() == stage and word != "continue":
            self.only_rises_when_said(run, before, rate)
        self.follow(run, kill, unchanged)

    def only_rises_when_said(self, run: Run, before: dict[str, Any], rate: float) -> None:
        """The first rate after a resume is above the last only by a flag, or with a warning."""
        resumption, flags = run.prepared.resumption, self.life.flags
        now = resumption.lineage.rates_at(resumption.position.step)[HEAD]
        said = any("rises from" in w for w in review(resumption.lineage, resumption.position))
        asked = any(before[name] != flags[name] for name in RATE_FLAGS)
        assert now <= rate * (1 + 1e-9) or said or (asked and resumption.kind == "branch")

    def follow(self, run: Run, until: int | None = None, before: Life | None = None) -> None:
        """Let it run, and hold every step and every epoch against the oracle.

        Args:
            run: ready to run.
            until: the event after which the process is killed; None for never.
            before: the life that is resumed, as it was; None for a new run.
        """
        resumed_from = run.shelf.pickled
        marks: dict[Position, Life] = {}  # where each checkpoint stands in the oracle's account
        with contextlib.suppress(MemoryExhausted):  # single images did not fit
            for event in islice(run.events(), until):
                self.on_event(run, event, marks)
        if before is not None and run.shelf.pickled == resumed_from:  # all since was lost
            self.life, self.began = before, None
            return
        self.checkpoint = run.shelf.held
        position = Position(**self.checkpoint["position"])
        self.life = life = marks[position].copy()  # what was not saved is lost
        assert (position.epoch, position.step) == (life.done, len(life.rates))
        self.the_journal_says_so(run)
        if not life.ahead:
            self.ends_on_its_floor(run)
            self.is_as_if_never_stopped()

    def is_as_if_never_stopped(self) -> None:
        """All commands that were ``continue`` together left what one would have left."""
        if self.began is None or not self.parts:
            return
        whole = command(self.began.schedule, self.root, images=self.began.images,
                        world=self.began.world, checkpoint=self.began.checkpoint)  # fmt: skip
        list(whole.prepared.trainer.run())
        parts: State = self.checkpoint or {}
        apart: State = {"settings": {}}
        if len(self.worlds) > 1:  # images and rates are kept then, but not the noise of dropout
            apart["generators"] = {}
        assert_equal({**whole.shelf.held, **apart}, {**parts, **apart})

    def on_event(self, run: Run, event: Event, marks: dict[Position, Life]) -> None:
        life, lineage = self.life, run.prepared.trainer.state.lineage
        if isinstance(event, StepDone):
            number, _, rates = life.step()
            step = len(life.rates) - 1
            assert event.record.step == step
            assert event.record.epoch == number == lineage.epoch_of(step)
            applied = run.steps.applied[-1]
            assert event.record.lr == applied == lineage.rates_at(step)
            assert applied == pytest.approx(rates, rel=1e-9)
            assert event.done <= event.of == len(lineage.steps_of(number))
            assert step in lineage.steps_of(number)
            self.journalled[step] = applied
        elif isinstance(event, EpochDone):
            record, first = event.record, len(life.rates) - life.made
            assert record.epoch == life.ahead[0].number
            assert record.lr == self.journalled[lineage.steps_of(record.epoch).start]
            assert lineage.steps_of(record.epoch) == range(first, len(life.rates))
            assert record.line().endswith(f"LR: {self.journalled[first][HEAD]:.6f}")
            life.end_epoch()
        elif isinstance(event, Saved):
            marks[event.position] = life.copy()
        elif isinstance(event, RolledBack):
            self.life = marks[event.position].copy()
            self.life.share = life.share / 2
            self.began = None
        elif isinstance(event, MemoryRanOut):
            self.began = None

    def the_journal_says_so(self, run: Run) -> None:
        """What diagnosis and report read is what was applied."""
        # A kill can come between the line of an epoch and its checkpoint.
        points = [p for p in log_of_journal(run.journal).points if p.epoch <= self.life.done]
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
        life, plan = self.life, run.prepared.trainer.state.lineage.plan
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


@pytest.mark.parametrize(
    "many", [FAST, pytest.param(5000, marks=[pytest.mark.long, pytest.mark.timeout(7200)])]
)
def test_random_lives_of_up_to_five_commands(many: int) -> None:
    how = settings(max_examples=many, stateful_step_count=5, deadline=None,
                   derandomize=many == FAST, suppress_health_check=list(HealthCheck))  # fmt: skip
    run_state_machine_as_test(Lives, settings=how)


@pytest.fixture(scope="module")
def table() -> list[Row]:
    return list(rows())


@pytest.mark.long
def test_what_is_printed_written_down_and_planned_is_one_rate(table: list[Row]) -> None:
    assert len(table) == 27
    for row in table:
        assert row.journalled == row.planned
        assert row.printed == f"{row.planned:.6f}"
    ends = {row.option: row.last_step for row in table if row.last_step is not None}
    assert ends == {"conservative": 0.00001, "aggressive": 0.00002, "resolution": 0.00002}


@pytest.mark.parametrize(
    ("before", "word"),
    [("none", "branch"), ("cosine, 86 of 86", "extend"), ("cosine, 86 of 120", "continue")],
)
def test_option_1_after_86_epochs_of_unequal_steps(
    table: list[Row], before: str, word: str
) -> None:
    """An extended cosine stands where it would had it been longer from epoch 31 on."""
    found = {r.epoch: r for r in table if (r.before, r.option) == (before, "conservative")}
    assert {r.word for r in found.values()} == {word}
    begin, steps = (86, 34 * 11) if word == "branch" else (30, 90 * 11)
    for epoch in (87, 104, 120):
        fall = (epoch - 1 - begin) * 11 / (steps - 1)
        closed = 0.00001 + 0.00019 * (1 + math.cos(math.pi * fall)) / 2
        assert found[epoch].journalled == pytest.approx(closed, rel=1e-9)


def test_an_extension_under_skip_stage1_opens_no_group_anew(tmp_path: Path) -> None:
    checkpoint = after_86(tmp_path, "cosine, 86 of 86")
    run = command(OPTION_1, tmp_path, images=IMAGES, checkpoint=checkpoint)
    events = list(run.events())
    opened = [e for e in events if isinstance(e, GroupsOpened)]
    assert [(e.step, len(e.learning)) for e in opened] == [(796, 5)]
    assert [e.record.step for e in events if isinstance(e, StepDone)] == list(range(796, 1170))
    assert min(min(applied.values()) for applied in run.steps.applied) > 0


def test_a_rate_that_the_plan_does_not_have_ends_the_run_by_name(tmp_path: Path) -> None:
    run = command(OPTION_1, tmp_path, images=IMAGES)
    trainer = run.prepared.trainer

    def tampered(optimizer: torch.optim.Optimizer, plan: Plan, step: int) -> dict[str, float]:
        rates = {group: plan.lr(step, group) for group in plan.ratios}
        return rates | {"backbone.2": rates["backbone.2"] + 1e-9}

    with (
        mock.patch("decamo.training.trainer.apply_lr", tampered),
        pytest.raises(RateMismatch, match=r"epoch 1, backbone.2: planned at 0, trained at 1e-09"),
    ):
        list(trainer.run())


@pytest.mark.parametrize("word", ["extend", "branch"])
@pytest.mark.parametrize("micro", [0, 4])
def test_a_run_goes_back_beyond_its_resume_where_the_newest_checkpoint_is_damaged(
    tmp_path: Path, word: str, micro: int
) -> None:
    """The plan is laid anew from the place that it went back to."""
    before = replace(OPTION_1, skip_stage1=False, epochs=5, stage1_epochs=2)
    for asked in count(1):
        first = command(before, tmp_path, images=IMAGES, stop_after=asked)
        list(first.events())
        place = first.shelf.held["position"]
        if (place["epoch"], place["micro"]) == (3, micro):
            break
    wanted = replace(before, epochs=8) if word == "extend" else replace(before, batch_size=1)
    wanted = replace(wanted, stage2_batch_size=None) if word == "branch" else wanted
    wanted = replace(wanted, accumulation_steps=2) if word == "branch" else wanted
    step = place["step"]
    run = command(
        wanted,
        tmp_path,
        images=IMAGES,
        checkpoint=first.shelf.held,
        bad=frozenset({step + 3}),
        worn=True,
    )
    assert run.prepared.resumption.kind == word
    events = list(run.events())
    (back,) = [e for e in events if isinstance(e, RolledBack)]
    assert back.position == run.prepared.resumption.position
    lineage, records = run.prepared.trainer.state.lineage, run.shelf.held["history"]
    made = [e.record for e in events if isinstance(e, StepDone)]
    assert [r["epoch"] for r in records] == list(range(1, wanted.epochs + 1))
    assert made[-1].step == lineage.plan.end_step - 1
    assert made[-1].lr[HEAD] == 0.000005
    assert all(r.lr == lineage.rates_at(r.step) for r in made[3:])


def test_no_run_goes_back_to_where_it_has_not_been(tmp_path: Path) -> None:
    """The file before the newest can be farther on, where a resume went back."""
    whole = command(replace(OPTION_1, epochs=4), tmp_path, images=IMAGES)
    list(whole.events())
    part = command(replace(OPTION_1, epochs=4), tmp_path, images=IMAGES, stop_after=8)
    list(part.events())
    wanted = replace(OPTION_1, epochs=4, stage2_lr=0.0001)
    run = command(wanted, tmp_path, images=IMAGES, checkpoint=part.shelf.held,
                  bad=frozenset({part.shelf.held["position"]["step"] + 2}), worn=True)  # fmt: skip
    run.shelf.pickled = whole.shelf.pickled
    with pytest.raises(CheckpointDamaged, match=r"at step 44, where this run, now at"):
        list(run.events())


def test_an_extension_that_0_1_0_wrote_down_without_its_stage_1_is_put_right() -> None:
    """Its steps were made where the whole plan has them; only the plan was laid from step 0."""
    first = Segment(SegmentKind.START, 0, 0, 0, 0, BEFORE["cosine, 86 of 86"], IMAGES)
    damaged = replace(first, kind=SegmentKind.EXTEND, at_epoch=86, at_step=796, schedule=OPTION_1)
    back = replace(damaged, kind=SegmentKind.ROLLBACK, at_epoch=90, at_step=796 + 4 * 11, scale=0.5)
    plain = Lineage((first, damaged, back)).to_plain()
    for segment in plain:
        del segment["stage2_begin"]
    lineage = Lineage.from_plain(plain)
    assert lineage.steps_of(87) == range(796, 807)
    assert lineage.rates_at(796)[HEAD] == pytest.approx(0.000069, rel=0.01)
    assert lineage.plan.end_step == 796 + 34 * 11
    assert lineage.rates_at(lineage.plan.end_step - 1)[HEAD] == 0.000005


@pytest.mark.parametrize("at_epoch", [30, 31, 40])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {"skip_stage1": True}),
        ({}, {"skip_stage1": True, "stage1_epochs": 10}),
        ({"skip_stage1": True}, {"stage1_epochs": 10}),
    ],
)
def test_whatever_flag_unmade_a_stage_in_0_1_0_its_steps_and_epochs_agree(
    at_epoch: int, old: dict[str, Any], new: dict[str, Any]
) -> None:
    """Also where the extension came between two stages, before a step of the second was made."""
    before = replace(BEFORE["cosine, 86 of 86"], **{"skip_stage1": False, **old})
    first = Segment(SegmentKind.START, 0, 0, 0, 0, before, IMAGES)
    step = plan_of(first).epoch_start(at_epoch + 1)
    wanted = replace(before, **{"epochs": 120, "skip_stage1": False, **new})
    damaged = replace(
        first, kind=SegmentKind.EXTEND, at_epoch=at_epoch, at_step=step, schedule=wanted
    )
    plain = Lineage((first, damaged)).to_plain()
    for segment in plain:
        del segment["stage2_begin"]
    lineage = Lineage.from_plain(plain)
    assert lineage.steps_of(at_epoch + 1).start == step
    assert lineage.plan.stage_of_epoch(at_epoch + 1).number == 2
    assert lineage.plan.end_step == step + (120 - at_epoch) * 11
    assert lineage.rates_at(lineage.plan.end_step - 1)[HEAD] == 0.00001
    position = Position(at_epoch, step)
    assert resume(lineage, wanted, position, images=IMAGES).kind == "continue"
