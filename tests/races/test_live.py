"""``decamo train --on-plateau`` through the parser: tiny races from within a run, on real files."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest

from decamo.cli import main
from decamo.diagnosis import SymptomKind, diagnose_log
from decamo.errors import StorageError
from decamo.history import EpochRecord, read_journal, read_training_log
from decamo.races.live import Live
from decamo.races.outcome_table import RaceOutcome
from decamo.races.race import Race, race_outcome
from decamo.races.trial_files import read_result, write_result
from decamo.schedule import Lineage, Segment, SegmentKind
from decamo.settings import ScheduleSettings
from decamo.storage.sealed import load_sealed, save_sealed
from decamo.training.stops import Budget
from tests.commands.conftest import STUCK_FLAGS

EPOCHS = 22  # of the plan; 20 of them are done
FLAGS = [*STUCK_FLAGS, "--epochs", str(EPOCHS), "--stage1-epochs", "1", "--resume", "auto"]
Words = Callable[..., list[str]]


@pytest.fixture(scope="module")
def young(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of two epochs trained for real."""
    folder = tmp_path_factory.mktemp("young")
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(folder)]
    assert main([*words, *STUCK_FLAGS, "--epochs", "2", "--stage1-epochs", "1"]) == 0
    return folder


@pytest.fixture
def run(young: Path, tmp_path: Path) -> Path:
    """A run folder whose checkpoint says that it has stood still since epoch 2, and is at 20."""
    folder = tmp_path / "run"
    folder.mkdir()
    plain = load_sealed(young / "last.pth")
    schedule = ScheduleSettings(**plain["settings"]["schedule"] | {"epochs": EPOCHS})
    lineage = Lineage(
        (Segment(SegmentKind.START, 0, 0, 0, 0, schedule, plain["ledger"][0]["images"]),)
    )
    record = EpochRecord.from_plain(plain["history"][-1])
    wobble = [0.0003 * ((3 * n) % 5 - 2) for n in range(21)]
    plain["history"] = [
        asdict(record)
        | {"epoch": n, "iou": 0.2 + wobble[n], "step": lineage.plan.epoch_start(n + 1)}
        for n in range(2, 21)
    ]
    plain["ledger"] = lineage.to_plain()
    plain["settings"]["schedule"]["epochs"] = EPOCHS
    plain["position"] = {"epoch": 20, "step": lineage.plan.epoch_start(21), "micro": 0}
    save_sealed(folder / "last.pth", plain)
    return folder


@pytest.fixture
def words(scenes: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> Words:
    """The command, whose races are one epoch of three branches."""
    small = partial(Live, epochs=1, names=("moments",))
    monkeypatch.setattr("decamo.api.legs.Live", small)
    place = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(run)]

    def given(act: str = "escape", *more: str) -> list[str]:
        return [*place, *FLAGS, "--on-plateau", act, *more]

    return given


def won(name: str, race: Race) -> RaceOutcome:
    """The outcome, with a winner: what one epoch finds is not for a test to say."""
    control = read_result(race.course.root, "control")
    write_result(race.course.root, replace(control, name="twin"))
    rung = control.rungs[1]
    ious = {key: iou + 0.3 for key, iou in rung.ious.items()}
    better = replace(rung, iou=rung.iou + 0.3, ious=ious)
    write_result(race.course.root, replace(control, name=name, rungs={**control.rungs, 1: better}))
    return race_outcome(race)


def drop_all_but(run: Path, one: Path) -> Path:
    """Remove a run's checkpoints but for one."""
    for path in run.glob("*.pth"):
        if path != one:
            path.unlink()
    return one


def segments(run: Path) -> list[tuple[str, int]]:
    return [(s["word"], s["at_epoch"]) for s in load_sealed(run / "last.pth")["ledger"]]


def test_nobody_asked_and_nothing_is_raced(run: Path, words: Words) -> None:
    assert main(words("continue")) == 0
    assert not (run / "escape").exists()
    assert segments(run) == [("start", 0)]


def test_a_plateau_can_end_the_run(
    run: Path, words: Words, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # the same command says the same
        assert main(words("stop")) == 0
        out = capsys.readouterr().out
        assert "a plateau at IoU 0." in out
        assert "to go on: the same command with --resume auto and --on-plateau continue" in out
    assert load_sealed(run / "last.pth")["position"]["epoch"] == 20


@pytest.mark.long
def test_without_a_winner_the_run_goes_on_as_it_was_and_is_raced_once(
    run: Path, words: Words, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its end is that of a run that was never raced, bit for bit."""
    before = load_sealed(run / "last.pth")
    assert main(words()) == 0
    out = capsys.readouterr().out
    assert out.count("a race: 3 branches") == 1
    assert "no branch is better than the control" in out
    assert segments(run) == [("start", 0), ("race", 20)]
    ended = load_sealed(run / "last.pth")
    assert ended["position"]["epoch"] == EPOCHS
    assert ended["ledger"][-1]["reason"].startswith("escape, 3 trials of 1 epochs: no branch")
    drop_all_but(run, run / "plan.png")
    save_sealed(run / "last.pth", before)
    assert main(words("continue")) == 0
    alone = load_sealed(run / "last.pth")
    assert all((t == ended["model"][n]).all() for n, t in alone["model"].items())


@pytest.mark.long
def test_stopped_anywhere_the_same_command_goes_on_and_trains_nothing_twice(
    run: Path, words: Words, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the race, and in the winner's plan."""
    asked = Counter[int]()

    def spent(budget: Budget) -> str:
        """Each session ends after a few questions."""
        asked[id(budget)] += 1
        return f"the budget of {budget.words} is spent" if asked[id(budget)] > 8 else ""

    monkeypatch.setattr(Budget, "spent", spent)
    monkeypatch.setattr(Race, "clear", lambda _race, _spare: None)
    monkeypatch.setattr("decamo.races.live.race_outcome", partial(won, "moments"))
    sessions = [main(words("escape", "--budget", "1h"))]
    while sessions[-1] == 75:
        sessions.append(main(words("escape", "--budget", "1h")))
    told = capsys.readouterr().out
    assert len(sessions) > 3
    assert sessions[-1] == 0
    assert "stopped in the race, the budget of 1h is spent" in told
    assert "to go on: the same command with --resume auto" in told
    assert "the race goes on" in told
    assert "winner: moments, better than the control by 0.3000" in told
    assert segments(run) == [("start", 0), ("branch", 20)]
    assert load_sealed(run / "last.pth")["position"]["epoch"] == EPOCHS
    trials = [run / "escape" / "epoch-0020" / name for name in ("control", "twin", "moments")]
    for folder in (run, *trials):
        journal = read_journal(folder / "journal.jsonl")
        steps = [entry["step"] for entry in journal if entry["kind"] == "step"]
        assert len(set(steps)) == len(steps) > 0


def test_the_same_flags_mean_the_winner_and_other_flags_mean_another_plan(
    run: Path, words: Words, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though ``--stage2-lr`` stands among them, which the winner has ten times as high."""

    monkeypatch.setattr("decamo.races.live.race_outcome", partial(won, "rate-x10"))
    small = partial(Live, epochs=1, names=("rate-x10",))
    monkeypatch.setattr("decamo.api.legs.Live", small)
    command = words("escape", "--keep-every", "1")
    assert main(command) == 0
    assert " LR: 0.000500" in capsys.readouterr().out
    assert segments(run) == [("start", 0), ("branch", 20)]
    branches = [e for e in read_journal(run / "journal.jsonl") if e.get("word") == "branch"]
    assert [e["reason"][:31] for e in branches] == ["escape, 3 trials of 1 epochs: w"]
    stretch = read_training_log([run]).stretches[-1]
    assert (stretch.word, stretch.first_epoch) == ("branch", 21)
    drop_all_but(run, run / "epoch-0021.pth").rename(run / "last.pth")
    copy = shutil.copytree(run, run.with_name("copy"))
    assert main(command) == 0
    told = capsys.readouterr()
    assert "continue: epoch 22 to 22" in told.out
    assert "goes on with the winner of a race, not with --" in told.err
    assert "--stage2-lr" in told.err
    elsewhere = [str(copy) if word == str(run) else word for word in command]
    assert main([*elsewhere, "--accumulation-steps", "2"]) == 0
    told = capsys.readouterr()
    assert "branch: epoch 22 to 22" in told.out
    last = load_sealed(copy / "last.pth")["ledger"][-1]
    assert last["schedule"]["stage2_lr"] == 0.0005
    assert last["asked"]["schedule"]["stage2_lr"] == 0.00005


def test_diagnosis_and_report_read_a_run_with_a_race_in_it(
    run: Path, words: Words, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words()) == 0
    past = read_training_log([run])
    assert diagnose_log(past).kind in (
        SymptomKind.TOO_EARLY,
        SymptomKind.PLATEAU,
        SymptomKind.STILL_STUCK,
        SymptomKind.SLOW,
    )
    assert main(["report", str(run), "--no-gallery"]) == 0
    page = (run / "report.html").read_text()
    assert "<h2>Races</h2>" in page
    assert "what does chance alone move?" in page


def test_a_race_that_does_not_fit_is_told_and_not_begun(
    run: Path, words: Words, capsys: pytest.CaptureFixture[str]
) -> None:
    state = load_sealed(run / "last.pth")
    slow = [r | {"train_seconds": 3600.0} for r in state["history"]]
    save_sealed(run / "last.pth", state | {"history": slow})
    assert main(words("escape", "--budget", "1h")) == 0
    out = capsys.readouterr().out
    assert out.count("no race: it would take about ") == 1
    assert "of the budget of 1h are left" in out
    assert not (run / "escape").exists()


def test_a_race_without_room_does_not_end_the_run(
    run: Path, words: Words, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise StorageError(run, "no room", "free some")

    monkeypatch.setattr("decamo.races.race.check_space", no_room)
    assert main(words()) == 0
    out = capsys.readouterr().out
    assert "no room; free some; the run goes on as it is" in out
    assert load_sealed(run / "last.pth")["position"]["epoch"] == EPOCHS


def test_torchrun_is_told_what_to_do_instead(
    run: Path, words: Words, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.destroy_process_group", lambda: None)
    assert main(words()) == 2
    assert "--on-plateau: got escape under torchrun" in capsys.readouterr().err
