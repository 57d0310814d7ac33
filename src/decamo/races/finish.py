"""The end of a race: its outcome, and the winner's whole way from the original checkpoint."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from decamo.checkpoint import Checkpoint
from decamo.checkpoint.load_save import load_checkpoint, save_checkpoint
from decamo.errors import CheckpointError
from decamo.races.branch import CONTROL, TWIN
from decamo.races.explanation import RaceFacts, explain_race, refuted_causes
from decamo.races.outcome_table import RaceOutcome, answer, plain_outcome
from decamo.races.race import Race
from decamo.races.results import LostKind
from decamo.races.start_point import StartPoint
from decamo.races.successive_halving import heat_of, verdict_of
from decamo.races.trial import branch_state
from decamo.races.trial_schedule import full_settings
from decamo.report.race_section import OUTCOME
from decamo.schedule import Lineage, raced
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.storage import RunFolder, previous_of, write_whole

__all__ = ["begin_winner", "race_outcome", "stay", "write_outcome"]


def race_outcome(race: Race) -> RaceOutcome:
    """What a race that is over has found.

    Raises:
        ValueError: it is not over.
    """
    results, start = race.results(), race.course.start
    heat = heat_of(results, race.course.epochs)
    verdict = verdict_of(results, heat)
    control = results[CONTROL]
    before = [record.loss for record in race.course.checkpoint.history]
    since = [rung.loss for rung in control.rungs.values() if rung.loss is not None]
    facts = RaceFacts(
        rate=start.rate,
        peak=start.peak,
        highest=start.highest,
        ended=start.ended,
        losses=(*before, *since),
        ious=tuple(control.rungs[heat.rung].ious.values()),
        epochs=race.course.epochs,
        diverged={
            name: str(result.lost)
            for name, result in results.items()
            if result.lost and result.lost.kind is LostKind.DIVERGED
        },
        dropped=heat.dropped,
    )
    may_win = [b.name for b in race.branches if b.name not in (CONTROL, TWIN)]
    winner = verdict.winner_among(may_win)
    meanings = explain_race(verdict, facts)
    refuted = refuted_causes(verdict, facts)
    return RaceOutcome(race.branches, results, heat, verdict, winner, meanings, start, refuted)


def begin_winner(race: Race, outcome: RaceOutcome, folder: RunFolder) -> Path | None:
    """The checkpoint from which the winner's whole plan is trained, as ``decamo train`` would.

    The first time it is written, ``escaped.pth``: the original checkpoint with the winner's segment
    in its lineage, whose reason names the race. The original is kept if the run would write
    over it.

    Args:
        race: that is over.
        outcome: of it, with a winner.
        folder: of the run to come.

    Returns:
        the checkpoint to go on from; the run's own where it is under way, None where it is done.

    Raises:
        SettingsError: its plan cannot be laid.
        StorageError: it cannot be written.
    """
    assert outcome.winner is not None
    course = race.course
    branch = next(b for b in race.branches if b.name == outcome.winner.branch)
    settings = full_settings(branch, course.start)
    start = folder.escaped
    settings = replace(
        settings, run=replace(settings.run, checkpoint_dir=folder.root, resume_from=start)
    )
    state = branch_state(course, branch, settings, _why(race, outcome))
    segments = state.lineage.segments
    chosen = replace(segments[-1], asked=_asked(course.start, settings))
    for path in (folder.last, previous_of(folder.last)):
        held = _held(path)
        if held is not None and chosen in held.lineage.segments:
            return path if held.position.epoch < held.lineage.plan.last_epoch else None
    folder.protect(course.path, course.start.done)
    save_checkpoint(start, replace(state, lineage=Lineage((*segments[:-1], chosen))))
    return start


def stay(race: Race, outcome: RaceOutcome, folder: RunFolder) -> Path:
    """Write into the lineage of the run's newest checkpoint that the race changed nothing.

    Args:
        race: that is over, of this very checkpoint.
        outcome: of it, without a winner.
        folder: of the run.

    Returns:
        the checkpoint.

    Raises:
        StorageError: it cannot be written.
    """
    state, start = race.course.checkpoint, race.course.start
    lineage = raced(start.lineage, start.position, _why(race, outcome))
    save_checkpoint(folder.last, replace(state, lineage=lineage))
    return folder.last


def write_outcome(root: Path, outcome: RaceOutcome) -> None:
    """Write it into the race's folder, for reports; the race itself never reads it again.

    Raises:
        StorageError: it cannot be written.
    """
    write_whole(root / OUTCOME, (json.dumps(plain_outcome(outcome), indent=2) + "\n").encode())


def _why(race: Race, outcome: RaceOutcome) -> str:
    return f"escape, {len(race.branches)} trials of {race.course.epochs} epochs: {answer(outcome)}"


def _asked(start: StartPoint, chosen: TrainSettings) -> dict[str, dict[str, Any]]:
    """What the flags ask for of all that the winner chose otherwise, now or at an earlier race."""
    before, after = to_plain(start.settings), to_plain(chosen)
    asked: dict[str, dict[str, Any]] = {}
    for section in ("schedule", "optimise"):
        differs = {k: v for k, v in before[section].items() if after[section][k] != v}
        asked[section] = differs | dict(start.lineage.last.asked.get(section, {}))
    return asked


def _held(path: Path) -> Checkpoint | None:
    try:
        return load_checkpoint(path)
    except CheckpointError:
        return None
