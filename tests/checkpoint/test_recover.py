import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from decamo.checkpoint.load_save import load_or_previous, newest_of
from decamo.errors import CheckpointDamaged, CheckpointForeign, CheckpointMissing
from decamo.schedule import Position
from decamo.storage import RunFolder, previous_of, replace_by_copy
from decamo.storage.sealed import load_sealed, save_sealed
from tests.storage.faults import state_at
from tests.storage.format_1 import sealed_1

Damage = Callable[[Path], None]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)  # a new run folder has no other name for these bytes


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def blank(path: Path) -> None:
    path.write_bytes(b"\0" * path.stat().st_size)


def remove(path: Path) -> None:
    path.unlink()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """last at epoch 4, before it 3; best at 2, before it 1."""
    made = RunFolder(tmp_path)
    for epoch, is_best in ((1, True), (2, True), (3, False), (4, False)):
        save_sealed(made.last, state_at(epoch))
        if is_best:
            replace_by_copy(made.last, made.best, previous_of(made.best))
    return made


class TestLoadOrPrevious:
    def test_a_good_file_comes_without_a_note(self, folder: RunFolder) -> None:
        recovered = load_or_previous(folder.last)

        assert (recovered.path, recovered.notes) == (folder.last, ())
        assert recovered.checkpoint.position.epoch == 4

    @pytest.mark.parametrize("damage", [flip, cut, blank, remove])
    def test_a_damaged_or_missing_one_gives_way_to_the_one_before_it(
        self, folder: RunFolder, damage: Damage
    ) -> None:
        damage(folder.last)

        recovered = load_or_previous(folder.last)

        assert recovered.path == previous_of(folder.last)
        assert recovered.checkpoint.position == Position(3, 30)
        (note,) = recovered.notes
        assert len(note.splitlines()) == 1
        assert f"{folder.last} cannot be used" in note
        assert f"{previous_of(folder.last)} is taken instead" in note
        assert "stands at epoch 3, step 30" in note

    def test_the_note_says_how_far_back_it_is_where_that_can_be_read(
        self, folder: RunFolder
    ) -> None:
        data = bytearray(folder.last.read_bytes())
        place = data.rfind(b"archive/data/1") - 200  # within the values of some tensor
        data[-1] = ord("0") if data[-1] != ord("0") else ord("1")
        assert place > 0
        folder.last.write_bytes(data)

        (note,) = load_or_previous(folder.last).notes

        assert "its digest does not match" in note
        assert "1 epochs and 10 steps before what the damaged file says of itself" in note

    @pytest.mark.parametrize("damage", [flip, cut, blank])
    def test_two_damaged_ones_are_told_together(self, folder: RunFolder, damage: Damage) -> None:
        damage(folder.last)
        damage(previous_of(folder.last))

        with pytest.raises(CheckpointDamaged, match=r"and last\.previous\.pth") as caught:
            load_or_previous(folder.last)

        assert len(str(caught.value).splitlines()) == 1
        assert "best_model.pth" in caught.value.remedy

    def test_a_damaged_one_without_another_is_told(self, tmp_path: Path) -> None:
        save_sealed(tmp_path / "x.pth", state_at(1))
        flip(tmp_path / "x.pth")

        with pytest.raises(CheckpointDamaged, match="copy it again"):
            load_or_previous(tmp_path / "x.pth")

    def test_a_name_that_never_was_is_missing(self, folder: RunFolder) -> None:
        with pytest.raises(CheckpointMissing, match=r"lastt\.pth"):
            load_or_previous(folder.root / "lastt.pth")

    def test_a_foreign_file_never_gives_way(self, folder: RunFolder) -> None:
        torch.save({"weight": torch.zeros(3)}, folder.last)

        with pytest.raises(CheckpointForeign):
            load_or_previous(folder.last)

    def test_what_would_not_load_is_no_help(self, folder: RunFolder) -> None:
        flip(folder.last)
        torch.save({}, previous_of(folder.last))

        with pytest.raises(CheckpointDamaged, match="not a decamo checkpoint"):
            load_or_previous(folder.last)


class TestDamageAnywhere:
    """Whatever befalls the newest file is found before use, and the one before it is taken."""

    def recovers(self, folder: RunFolder, data: bytes) -> None:
        folder.last.write_bytes(data)
        recovered = load_or_previous(folder.last)
        assert recovered.checkpoint.position.epoch == 3
        assert recovered.path == previous_of(folder.last)
        assert len(recovered.notes) == 1

    @pytest.fixture
    def large(self, folder: RunFolder) -> bytes:
        """The newest file, with a network of 200 kB."""
        weights = torch.randn(50_000, generator=torch.Generator().manual_seed(0))
        save_sealed(folder.last, state_at(3))
        save_sealed(folder.last, state_at(4) | {"model": {"weight": weights}})
        data = folder.last.read_bytes()
        assert load_or_previous(folder.last).notes == ()
        return data

    def test_cut_at_every_page(self, folder: RunFolder, large: bytes) -> None:
        assert len(large) > 50 * 4096
        for length in (*range(0, len(large), 4096), 1, 2, 3, len(large) - 1):
            self.recovers(folder, large[:length])

    def test_pages_never_written(self, folder: RunFolder, large: bytes) -> None:
        for begin in range(0, len(large), 4096):
            end = min(begin + 4096, len(large))
            data = large[:begin] + b"\0" * (end - begin) + large[end:]
            if data != large:
                self.recovers(folder, data)

    @pytest.mark.parametrize("count", [100, pytest.param(500, marks=pytest.mark.long)])
    def test_random_bits_flipped(self, folder: RunFolder, large: bytes, count: int) -> None:
        draw = random.Random(count)
        places = [draw.randrange(8 * len(large)) for _ in range(count)]
        # The seal and the directory before it are few of the bytes and most of the rules.
        places += [8 * len(large) - 1 - draw.randrange(8 * 400) for _ in range(count // 4)]
        for place in places:
            data = bytearray(large)
            data[place // 8] ^= 1 << place % 8
            self.recovers(folder, bytes(data))


class TestNewestOf:
    def test_is_last_in_a_sound_folder(self, folder: RunFolder) -> None:
        notes: list[str] = []

        assert newest_of(folder, notes.append) == folder.last
        assert notes == []

    def test_no_checkpoint_is_none(self, tmp_path: Path) -> None:
        assert newest_of(RunFolder(tmp_path)) is None
        assert newest_of(RunFolder(tmp_path / "never made")) is None

    @pytest.mark.parametrize("damage", [flip, cut, blank])
    def test_a_damaged_last_falls_to_the_one_before_it(
        self, folder: RunFolder, damage: Damage
    ) -> None:
        damage(folder.last)
        notes: list[str] = []

        assert newest_of(folder, notes.append) == previous_of(folder.last)
        assert len(notes) == 1
        assert f"{folder.last} cannot be used" in notes[0]

    def test_best_is_taken_where_both_of_last_are_gone(self, folder: RunFolder) -> None:
        folder.last.unlink()
        previous_of(folder.last).unlink()
        assert newest_of(folder) == folder.best

        flip(folder.best)
        notes: list[str] = []
        assert newest_of(folder, notes.append) == previous_of(folder.best)
        assert len(notes) == 1

    def test_the_step_inside_decides_not_the_name(self, folder: RunFolder) -> None:
        save_sealed(folder.best, state_at(9))

        assert newest_of(folder) == folder.best

    def test_of_two_at_one_step_last_is_taken(self, folder: RunFolder) -> None:
        replace_by_copy(folder.last, folder.best, previous_of(folder.best))

        assert newest_of(folder) == folder.last

    def test_a_step_that_only_damage_claims_does_not_count(self, folder: RunFolder) -> None:
        # Step 30 becomes 255; only the digest tells.
        data = bytearray(previous_of(folder.last).read_bytes())
        place = data.find(b"K\x1e", data.find(b"position"))
        data[place + 1] = 0xFF
        previous_of(folder.last).unlink()
        previous_of(folder.last).write_bytes(data)
        notes: list[str] = []

        assert newest_of(folder, notes.append) == folder.last
        assert len(notes) == 1

    def test_where_none_can_be_used_nothing_starts_anew(self, folder: RunFolder) -> None:
        for path in folder.root.glob("*.pth"):
            data = path.read_bytes()[:-1]
            path.unlink()
            path.write_bytes(data)

        with pytest.raises(CheckpointDamaged):
            newest_of(folder)

    def test_what_holds_no_position_is_not_taken(self, folder: RunFolder) -> None:
        folder.last.unlink()
        folder.last.write_bytes(sealed_1({"format": 1, "position": [4]}))
        notes: list[str] = []

        taken = newest_of(folder, notes.append)

        assert taken == previous_of(folder.last)
        assert len(notes) == 1

    def test_a_sound_folder_is_read_once(
        self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("tensors were read"))

        assert newest_of(folder) == folder.last

    def test_what_it_names_can_be_loaded(self, folder: RunFolder) -> None:
        flip(folder.last)
        newest = newest_of(folder)

        assert newest is not None
        assert load_sealed(newest)["position"]["epoch"] == 3
