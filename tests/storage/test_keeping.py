from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.errors import StorageError
from decamo.storage import (
    RunFolder,
    epochs_to_keep,
    previous_of,
    replace_by_copy,
    snapshot_name,
    snapshots_in,
    write_whole,
)
from decamo.storage.keeping import keep_snapshot

EPOCHS = st.sets(st.integers(1, 300), max_size=40)


class TestEpochsToKeep:
    @pytest.mark.parametrize(
        ("keep_last", "keep_every", "kept"),
        [
            (0, 0, set()),
            (3, 0, {8, 9, 10}),
            (0, 4, {4, 8}),
            (2, 4, {4, 8, 9, 10}),
            (99, 0, set(range(1, 11))),
            (0, 1, set(range(1, 11))),
            (0, 99, set()),
        ],
    )
    def test_of_ten(self, keep_last: int, keep_every: int, kept: set[int]) -> None:
        now = epochs_to_keep(range(1, 11), 10, keep_last=keep_last, keep_every=keep_every)
        assert now == kept

    @given(EPOCHS, st.integers(1, 300), st.integers(0, 9), st.integers(0, 9))
    def test_by_the_rule_for_one_epoch(
        self, epochs: set[int], now: int, keep_last: int, keep_every: int
    ) -> None:
        kept = epochs_to_keep(epochs, now, keep_last=keep_last, keep_every=keep_every)
        for epoch in epochs:
            younger = sum(epoch < other <= now for other in epochs)
            due = bool(keep_every) and epoch % keep_every == 0
            assert (epoch in kept) == (epoch > now or younger < keep_last or due)
        assert kept <= epochs

    @given(st.integers(1, 60), st.integers(0, 5), st.integers(0, 7))
    def test_deciding_after_each_epoch_is_deciding_at_the_end(
        self, last: int, keep_last: int, keep_every: int
    ) -> None:
        held: frozenset[int] = frozenset()
        for epoch in range(1, last + 1):
            held = epochs_to_keep(held | {epoch}, epoch, keep_last=keep_last, keep_every=keep_every)
        at_once = epochs_to_keep(
            range(1, last + 1), last, keep_last=keep_last, keep_every=keep_every
        )
        assert held == at_once


class TestNames:
    def test_epochs_have_four_digits_or_more(self) -> None:
        assert [snapshot_name(n) for n in (7, 90, 12345)] == [
            "epoch-0007.pth",
            "epoch-0090.pth",
            "epoch-12345.pth",
        ]

    def test_only_snapshots_are_snapshots(self, tmp_path: Path) -> None:
        for name in (
            "epoch-0090.pth", "epoch-12345.pth", "best_model.epoch-0086.pth", "last.pth",
            "epoch-0090.previous.pth", ".epoch-0091.pth.tmp", "epoch-90.pth", "epoch-01234.pth",
            "my epoch-0092.pth", "epoch-0093.pth.txt",
        ):  # fmt: skip
            (tmp_path / name).touch()

        assert snapshots_in(tmp_path) == {
            90: tmp_path / "epoch-0090.pth",
            12345: tmp_path / "epoch-12345.pth",
        }

    def test_no_folder_has_none(self, tmp_path: Path) -> None:
        assert snapshots_in(tmp_path / "none") == {}


class TestSnapshot:
    def train(self, folder: RunFolder, first: int, last: int, **keep: int) -> None:
        for epoch in range(first, last + 1):
            write_whole(folder.last, f"{epoch}".encode(), previous=previous_of(folder.last))
            folder.snapshot(epoch, keep.get("keep_last", 0), keep.get("keep_every", 0))

    def held(self, folder: RunFolder) -> dict[int, str]:
        return {e: path.read_text() for e, path in snapshots_in(folder.root).items()}

    def test_keeps_what_last_was_then(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)

        self.train(folder, 1, 10, keep_last=2, keep_every=4)

        assert self.held(folder) == {4: "4", 8: "8", 9: "9", 10: "10"}

    def test_is_a_hard_link(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        self.train(folder, 1, 1, keep_last=1)

        assert (tmp_path / "epoch-0001.pth").samefile(folder.last)

    def test_without_flags_nothing_is_made_or_dropped(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        (tmp_path / "epoch-0001.pth").write_text("1")

        self.train(folder, 5, 9)

        assert self.held(folder) == {1: "1"}

    def test_other_files_are_never_dropped(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        kept = ["best_model.epoch-0001.pth", "last.epoch-0002-2.pth", "mine.pth", "epoch-1.pth"]
        for name in kept:
            (tmp_path / name).write_text(name)
        self.train(folder, 1, 3, keep_last=1)
        replace_by_copy(folder.last, folder.best, previous_of(folder.best))
        self.train(folder, 4, 9, keep_last=1)

        assert all((tmp_path / name).read_text() == name for name in kept)
        assert (folder.best.read_text(), folder.last.read_text()) == ("3", "9")
        assert previous_of(folder.last).read_text() == "8"

    def test_the_file_resumed_from_is_neither_dropped_nor_replaced(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        self.train(folder, 1, 3, keep_last=3)
        spare = tmp_path / "." / "epoch-0002.pth"
        for epoch in (2, 3, 4, 5, 6):
            write_whole(folder.last, b"new")
            folder.snapshot(epoch, 1, 0, resumed_from=spare)

        assert self.held(folder) == {2: "2", 6: "new"}

    def test_snapshots_ahead_belong_to_another_branch(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        self.train(folder, 1, 8, keep_last=8)
        self.train(folder, 3, 5, keep_last=2)

        assert sorted(self.held(folder)) == [4, 5, 6, 7, 8]

    def test_what_a_kill_left_is_swept(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        (tmp_path / ".epoch-0001.pth.tmp").touch()
        (tmp_path / ".mine.tmp").touch()

        self.train(folder, 2, 2, keep_last=1)

        assert not (tmp_path / ".epoch-0001.pth.tmp").exists()
        assert (tmp_path / ".mine.tmp").exists()

    def test_nothing_to_keep_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="No such file"):
            RunFolder(tmp_path).snapshot(1, 1, 0)

    def test_an_epoch_that_is_not_due_gives_none(self, tmp_path: Path) -> None:
        (tmp_path / "last.pth").touch()

        def made(epoch: int) -> Path | None:
            return keep_snapshot(tmp_path / "last.pth", tmp_path, epoch, keep_last=0, keep_every=5)

        assert made(4) is None
        assert made(5) == tmp_path / "epoch-0005.pth"
