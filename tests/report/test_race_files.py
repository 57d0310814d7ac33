import json
from pathlib import Path

import pytest

from decamo.races.outcome_table import answer, plain_outcome
from decamo.races.race import write_outcome
from decamo.report.race_section import outcomes_in
from tests.races.conftest import stalled  # noqa: F401
from tests.races.test_finish import over


@pytest.fixture
def races(scenes: Path, stalled: Path, tmp_path: Path) -> Path:  # noqa: F811
    """Two races: a person's at epoch 2, and the run's own, said to be of epoch 1."""
    one, outcome = over(scenes, stalled, tmp_path, 0.1)
    root = tmp_path / "run" / "escape"
    for place in (root, root / "epoch-0001"):
        place.mkdir(parents=True, exist_ok=True)
        write_outcome(place, outcome)
    plain = plain_outcome(outcome)
    own = root / "epoch-0001" / "outcome.json"
    own.write_text(json.dumps(plain | {"position": {"epoch": 1, "step": 5, "micro": 0}}))
    assert one.course.epochs == 2
    assert answer(outcome) == plain["answer"]
    return root


def test_races_are_read_in_the_order_of_their_epochs(races: Path) -> None:
    first, second = outcomes_in(races)
    assert (first.epoch, second.epoch) == (1, 2)
    assert second.winner == "high"
    assert second.rows[0][0] == "high"
    assert second.heads[-1] == "asks"
    assert {row[-1] for row in second.rows} >= {"chance?", "higher?"}


def test_what_is_damaged_or_of_another_version_is_passed_over(races: Path) -> None:
    (races / "outcome.json").write_text('{"position": {"epoch":')
    (races / "epoch-0001" / "outcome.json").write_text('{"winner": "high"}')
    assert outcomes_in(races) == ()


def test_no_race_was_held(tmp_path: Path) -> None:
    assert outcomes_in(tmp_path / "nowhere") == ()
