from dataclasses import fields
from pathlib import Path

import pytest

import decamo
from decamo.checkpoint import Checkpoint
from decamo.checkpoint.load_save import load_checkpoint, save_checkpoint
from decamo.errors import CheckpointForeign
from decamo.schedule import SegmentKind
from decamo.storage.checkpoint_structure import validate_state
from decamo.storage.formats import FORMAT, upgraded
from decamo.storage.sealed import load_sealed, save_sealed
from tests.storage.format_1 import FILE, state_of_format_1
from tests.training.conftest import assert_equal, build

# Keys of a file whose fields are called otherwise.
OTHERWISE = {"decamo": "written_by", "model": "weights", "optimiser": "moments",
             "ledger": "lineage"}  # fmt: skip


def test_what_a_run_wrote_is_written_again_key_by_key(scenes: Path, tmp_path: Path) -> None:
    trainer = build(scenes, tmp_path, "run", schedule={"epochs": 2})
    list(trainer.run())
    plain = load_sealed(trainer.folder.last)
    assert all(plain[key] for key in ("ema", "history", "optimiser", "rules"))
    again = tmp_path / "again.pth"
    save_checkpoint(again, load_checkpoint(trainer.folder.last))
    written = load_sealed(again)
    assert_equal(written, plain)
    assert list(written) == list(plain)
    held = {f.name for f in fields(Checkpoint)} - {"others"}
    assert {OTHERWISE.get(key, key) for key in plain} == held


def test_a_file_of_format_1_has_what_it_said_in_the_present_format(tmp_path: Path) -> None:
    held = load_checkpoint(FILE)
    before = upgraded(FILE, state_of_format_1())
    plain = held.to_plain()
    validate_state(FILE, plain)
    assert (held.format, held.written_by, held.images, held.rules) == (FORMAT, "0.1.0", None, {})
    for key in before:
        if key not in ("settings", "ledger", "sums", "history"):  # they have come to say more
            assert_equal(plain[key], before[key], key)
    assert before["sums"].items() <= plain["sums"].items()
    for then, now in zip(before["history"], plain["history"], strict=True):
        assert {k: now[k] for k in then} == then
    for section, values in before["settings"].items():
        assert {k: plain["settings"][section][k] for k in values} == values
    schedule = before["ledger"][0]["schedule"]
    assert {k: plain["ledger"][0]["schedule"][k] for k in schedule} == schedule


def test_keys_that_no_field_stands_for_go_into_the_next_file(tmp_path: Path) -> None:
    plain = upgraded(FILE, state_of_format_1()) | {"note": {"of": ["a later version"]}}
    save_sealed(tmp_path / "a.pth", plain)
    save_checkpoint(tmp_path / "b.pth", load_checkpoint(tmp_path / "a.pth"))
    assert load_sealed(tmp_path / "b.pth")["note"] == {"of": ["a later version"]}


def test_what_may_be_missing_in_a_valid_file_is_not_asked_for(tmp_path: Path) -> None:
    plain = upgraded(FILE, state_of_format_1())
    for key in ("decamo", "images", "rules"):
        plain.pop(key)
    for key in ("world", "levels", "opened", "reason"):
        plain["ledger"][0].pop(key)
    validate_state(FILE, plain)
    held = Checkpoint.from_plain(plain)
    assert (held.written_by, held.images, held.rules) == ("", None, {})
    assert "decamo" not in held.to_plain()
    assert held.lineage.last.opened == ()


def test_plain_values_pass_no_other_door() -> None:
    home = Path(decamo.__file__).parent
    callers = {
        path.relative_to(home).as_posix()
        for path in home.rglob("*.py")
        for name in ("load_sealed(", "save_sealed(", "sealed_outline(")
        if name in path.read_text().replace(f"def {name}", "")
    }
    assert callers == {"checkpoint/load_save.py"}


def test_segments_of_every_kind_are_written_by_their_word_and_read(tmp_path: Path) -> None:
    plain = upgraded(FILE, state_of_format_1())
    for kind in SegmentKind:
        if kind is SegmentKind.CONTINUE:  # begins no segment
            continue
        plain["ledger"][0]["word"] = kind.value
        validate_state(FILE, plain)
        held = Checkpoint.from_plain(plain)
        assert held.lineage.last.kind is kind
        word = held.to_plain()["ledger"][0]["word"]
        assert (type(word), word) == (str, kind.value)  # no enum, which a loader of weights refuses
    plain["ledger"][0]["word"] = "continue"
    with pytest.raises(CheckpointForeign, match="word should be one of start, extend, branch"):
        validate_state(FILE, plain)
