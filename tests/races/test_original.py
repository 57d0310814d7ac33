import json
from pathlib import Path

import pytest

from decamo.races.branch_checkpoint import digest_of, held_race, original_of


def race_of(root: Path, path: Path) -> None:
    root.mkdir()
    (root / "race.json").write_text(json.dumps({"checkpoint": digest_of(path)}))


def test_a_checkpoint_written_over_since_is_found_by_its_copy(tmp_path: Path) -> None:
    path, root = tmp_path / "best_model.pth", tmp_path / "escape"
    path.write_bytes(b"as it was")
    assert original_of(path, root) == path
    race_of(root, path)
    assert original_of(path, root) == path
    copy = tmp_path / "best_model.epoch-0086-2.pth"
    copy.write_bytes(b"as it was")
    (tmp_path / "best_model.epoch-0086.pth").write_bytes(b"of another race")
    path.write_bytes(b"of the winner")
    assert original_of(path, root) == copy


def test_without_a_copy_the_file_named_is_meant(tmp_path: Path) -> None:
    path, root = tmp_path / "last.pth", tmp_path / "escape"
    path.write_bytes(b"as it was")
    race_of(root, path)
    path.unlink()
    assert digest_of(path) == ""
    assert original_of(path, root) == path


@pytest.mark.parametrize("text", ["", "[]", "{", "\xff"])
def test_a_race_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "race.json").write_text(text, encoding="latin-1")
    assert held_race(tmp_path) == {}
