"""One run in a tracker, whatever happened to ours; the trackers here are made up."""

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from decamo.history import EpochDone, Event, Journal, RolledBack, Saved, StepDone, StepRecord
from decamo.schedule import Lineage, Position, Segment, SegmentKind
from decamo.settings import ScheduleSettings
from decamo.trackers import Row, Tracking
from decamo.trackers.tracking import TrackedRun
from tests.history.test_records import RECORD

STEPS, EPOCHS = 7, 6  # of an epoch, of the run


class Dead(BaseException):
    """The process was killed here."""


@dataclass
class Service:
    """Where runs are kept: what was logged, in order; it may lose its newest rows, and fail."""

    runs: dict[str, list[Row]] = field(default_factory=dict)
    knows: bool = True
    failing: bool = False

    def open(self, run: TrackedRun) -> "Client":
        if self.failing:
            raise ConnectionError("no route\nto host")
        id = run.id or f"run{len(self.runs)}"
        self.runs.setdefault(id, [])
        return Client(self, id)


@dataclass
class Client:
    service: Service
    id: str

    def position(self) -> int | None:
        rows = self.service.runs[self.id]
        return (rows[-1][0] + 1 if rows else 0) if self.service.knows else None

    def log(self, rows: Sequence[Row]) -> None:
        if self.service.failing:
            raise ConnectionError("no route\nto host")
        self.service.runs[self.id] += [(step, dict(values)) for step, values in rows]

    def close(self) -> None: ...


def events(begin: int, saves: Sequence[int]) -> Iterator[Event]:
    """A run from a step on that saves after some of its steps and after each epoch."""
    for step in range(begin, STEPS * EPOCHS):
        epoch, done = divmod(step, STEPS)
        record = StepRecord(step, epoch + 1, 1 / (step + 1), {}, {"head": 0.1}, 1.0)
        yield StepDone(record, done + 1, STEPS)
        if step in saves:
            yield Saved(Path("last.pth"), Position(epoch, step + 1), 0.0)
        if done + 1 == STEPS:
            yield EpochDone(replace(RECORD, epoch=epoch + 1, step=step + 1, iou=step / 100), False)
            yield Saved(Path("last.pth"), Position(epoch + 1, step + 1), 0.0)


def live(
    service: Service, folder: Path, begin: int, stream: Iterator[Event], *, same: bool = True
) -> tuple[int, list[str]]:
    """A process of the run; returns the step of its newest checkpoint and what was said."""
    said: list[str] = []
    saved = begin
    run = TrackedRun(folder, {})
    with Journal(folder / "journal.jsonl", said.append) as journal:
        tracking = Tracking(
            "fake", service.open, run, folder / "journal.jsonl", begin, same, said.append
        )
        with closing(tracking):
            try:
                for event in stream:
                    journal.on_event(event)
                    if isinstance(event, Saved):
                        saved = event.position.step
                    tracking.on_event(event)
            except Dead:
                pass
    return saved, said


def killed_after(stream: Iterator[Event], count: int) -> Iterator[Event]:
    for number, event in enumerate(stream):
        if number >= count:
            raise Dead
        yield event


def whole() -> list[Row]:
    """What a tracker holds of a run that nothing happened to."""
    rows: dict[int, dict[str, float]] = {}
    for event in events(0, ()):
        if isinstance(event, StepDone):
            rows[event.record.step] = {"loss/total": event.record.loss}
        elif isinstance(event, EpochDone):
            rows[event.record.step - 1]["validation/iou"] = event.record.iou
    return sorted(rows.items())


def held(service: Service, id: str = "run0") -> list[Row]:
    names = ("loss/total", "validation/iou")
    return [(s, {n: v[n] for n in names if n in v}) for s, v in service.runs[id]]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("knows", [True, False])
def test_whatever_kills_it_is_one_run_without_a_gap_or_a_step_twice(
    tmp_path: Path, seed: int, knows: bool
) -> None:
    draw = random.Random(seed)
    service = Service(knows=knows)
    begin, lives = 0, 0
    while begin < STEPS * EPOCHS:
        saves = draw.sample(range(STEPS * EPOCHS), 5)
        stream = killed_after(events(begin, saves), draw.randrange(1, 40))
        begin, said = live(service, tmp_path, begin, stream)
        assert said == []
        lives += 1
        if knows and draw.random() < 0.3:  # its buffer dies with the process
            rows = service.runs.get("run0", [])
            del rows[len(rows) - min(len(rows), draw.randrange(4)) :]
    live(service, tmp_path, begin, iter([Saved(Path("last.pth"), Position(EPOCHS, begin), 0.0)]))

    assert lives > 1
    assert list(service.runs) == ["run0"]
    assert held(service) == whole()


def test_a_tracker_that_is_away_stops_nothing_and_gets_all_it_missed(tmp_path: Path) -> None:
    service = Service()

    def stream() -> Iterator[Event]:
        for event in events(0, ()):
            if isinstance(event, EpochDone):
                service.failing = event.record.epoch in (1, 2, 4)
            yield event

    said: list[str] = []
    for stop in range(1, EPOCHS + 1):  # a life an epoch, so that the thread is done with each
        begin = (stop - 1) * STEPS
        service.failing = stop in (1, 2, 4)
        _, lines = live(
            service, tmp_path, begin, (e for e in events(begin, ()) if _of_epoch(e, stop))
        )
        said += lines

    assert said == ["fake: no route to host; the run goes on without it for now"] * 3
    assert held(service) == whole()


def _of_epoch(event: Event, epoch: int) -> bool:
    if isinstance(event, StepDone | EpochDone):
        return event.record.epoch == epoch
    return isinstance(event, Saved) and event.position.epoch == epoch


def test_steps_that_a_rollback_undoes_were_never_sent(tmp_path: Path) -> None:
    service = Service()
    bad = [StepDone(StepRecord(s, 2, 9.0, {}, {"head": 0.1}, 1.0), s - 6, STEPS) for s in (7, 8, 9)]
    lineage = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, ScheduleSettings(), 10),))
    back = RolledBack(10, Position(1, STEPS), "a loss of nothing but NaN", (), lineage)
    first = [e for e in events(0, ()) if _of_epoch(e, 1)]
    rest = [e for e in events(STEPS, ()) if not _of_epoch(e, 1)]

    live(service, tmp_path, 0, iter([*first, *bad, back, *rest]))

    assert held(service) == whole()


def test_an_interrupted_validation_sends_its_step_once_with_the_scores(tmp_path: Path) -> None:
    service = Service()
    steps = [e for e in events(0, ()) if isinstance(e, StepDone) and e.record.epoch == 1]
    saved = Saved(Path("last.pth"), Position(0, STEPS), 0.0)
    scored = [e for e in events(0, ()) if isinstance(e, EpochDone)][:1]
    after = Saved(Path("last.pth"), Position(1, STEPS), 0.0)

    live(service, tmp_path, 0, iter([*steps, saved]))
    assert [step for step, _ in held(service)] == list(range(STEPS - 1))
    live(service, tmp_path, STEPS, iter([*scored, after]))

    assert held(service) == whole()[:STEPS]


def test_another_plan_from_an_earlier_checkpoint_is_another_run(tmp_path: Path) -> None:
    service = Service()
    live(service, tmp_path, 0, events(0, ()))

    live(service, tmp_path, 2 * STEPS, events(2 * STEPS, ()), same=False)

    assert held(service) == whole()
    assert held(service, "run1") == whole()[2 * STEPS :]


def test_a_kill_between_the_last_checkpoint_and_the_tracker_is_made_good(tmp_path: Path) -> None:
    service = Service()
    live(service, tmp_path, 0, events(0, ()))
    book = tmp_path / "trackers" / "fake.json"
    assert json.loads(book.read_text()) == {"id": "run0", "steps": STEPS * EPOCHS, "closed": True}
    del service.runs["run0"][-3:]
    book.write_text(json.dumps({"id": "run0", "steps": STEPS * EPOCHS, "closed": False}))

    for _ in range(2):  # the second finds nothing to do
        tracking = Tracking(
            "fake", service.open, TrackedRun(tmp_path, {}), tmp_path / "journal.jsonl",
            STEPS * EPOCHS, True, pytest.fail,
        )  # fmt: skip
        tracking.catch_up(STEPS * EPOCHS)
        tracking.close()
        service.knows = False

    assert held(service) == whole()
