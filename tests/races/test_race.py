import shutil
from pathlib import Path

import pytest

from decamo.errors import SettingsError
from decamo.history import EpochDone, Event, StepDone
from decamo.races.branch import Branch
from decamo.races.outcome_table import outcome_text
from decamo.races.race import open_race, race_identity, race_outcome
from tests.races.build import BRANCHES, course, race


@pytest.mark.long
def test_a_race_killed_or_stopped_anywhere_ends_with_the_same_table(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    at = course(scenes, stalled, tmp_path / "whole")
    open_race(at, BRANCHES)
    whole = race(at)
    assert whole.run() == ""
    expected = outcome_text(race_outcome(whole))

    class Killed(BaseException): ...

    story: dict[str, list[str]] = {b.name: [] for b in BRANCHES}

    def on_event(name: str, event: Event) -> None:
        story[name].append(type(event).__name__)
        events[0] += isinstance(event, StepDone | EpochDone)
        if events[0] == 5:  # every fifth, wherever that is
            events[0] = 0
            raise Killed

    events, asked, kills = [0], [0], 0

    def stop() -> str:
        asked[0] += 1
        return "enough" if asked[0] > 7 else ""

    parts = course(scenes, stalled, tmp_path / "parts", stop=stop)
    assert open_race(parts, BRANCHES) is False
    for attempt in range(200):
        asked[0] = 0
        torn = race(
            parts,
            on_event=on_event if attempt % 2 else lambda n, e: story[n].append(type(e).__name__),
        )
        try:
            if not torn.run():
                break
        except Killed:
            kills += 1
    assert kills > 2
    for name, found in whole.results().items():
        assert race(parts).results()[name] == found, f"{name}: {story[name]}"
    assert open_race(parts, BRANCHES) is True
    assert outcome_text(race_outcome(race(parts))) == expected


def test_a_race_is_recognised_and_another_refused(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    at = course(scenes, stalled, tmp_path / "escape")
    assert open_race(at, BRANCHES) is False
    assert open_race(at, BRANCHES) is True
    with pytest.raises(SettingsError, match="a race of another set of branches; give the flags"):
        open_race(at, BRANCHES[:3])
    longer = course(scenes, stalled, tmp_path / "escape", epochs=3)
    with pytest.raises(SettingsError, match="another number of --trial-epochs"):
        open_race(longer, BRANCHES)
    renamed = tmp_path / "renamed"
    shutil.copytree(scenes, renamed)
    assert open_race(course(renamed, stalled, tmp_path / "escape"), BRANCHES) is True
    other = tmp_path / "other.pth"
    shutil.copy(stalled.with_name("epoch-0001.pth"), other)
    assert race_identity(other, at.start, BRANCHES, 2) != race_identity(
        stalled, at.start, BRANCHES, 2
    )


def test_a_plan_that_cannot_be_laid_is_told_before_any_trial(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    at = course(scenes, stalled, tmp_path / "escape")
    odd = Branch("odd", "", {"schedule": {"min_lr": 1.0, "scheduler": "cosine"}})
    with pytest.raises(SettingsError, match=r"\[branch.odd\] --min-lr"):
        open_race(at, (*BRANCHES, odd))
    assert not at.root.exists()


def test_a_folder_of_before_with_files_of_claims_goes_on(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    at = course(scenes, stalled, tmp_path / "escape", epochs=1)
    open_race(at, BRANCHES[:2])
    (at.root / "control.claim-0001").write_text('{"host": "far-away", "process": 1}')
    one = race(at, BRANCHES[:2])
    assert one.run() == ""
    assert sorted(one.results()) == ["control", "twin"]


def test_folders_of_those_that_are_out_go_and_results_stay(
    scenes: Path, stalled: Path, tmp_path: Path
) -> None:
    at = course(scenes, stalled, tmp_path / "escape", epochs=1)
    open_race(at, BRANCHES[:2])
    done = race(at, BRANCHES[:2], keep_all=False)
    assert done.run() == ""
    done.clear(["twin"])
    assert sorted(p.name for p in at.root.iterdir()) == [
        "control.json", "race.json", "twin", "twin.json",
    ]  # fmt: skip
    assert done.run() == ""  # nothing is trained again
    assert not (at.root / "control").exists()
