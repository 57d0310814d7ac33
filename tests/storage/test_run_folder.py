from pathlib import Path

import pytest

from decamo.errors import SettingsError, StorageError
from decamo.storage import RunFolder, previous_of, write_whole


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_names_what_a_run_leaves(folder: RunFolder) -> None:
    left = {
        folder.best: "best_model.pth",
        folder.last: "last.pth",
        folder.journal: "journal.jsonl",
        folder.config: "config.toml",
        folder.census: "census.json",
        folder.tensorboard: "tensorboard",
        folder.picture: "plan.png",
    }

    assert all(path == folder.root / name for path, name in left.items())


class TestOpen:
    def test_makes_the_folder(self, folder: RunFolder) -> None:
        folder.open(None)

        assert folder.root.is_dir()

    def test_a_folder_without_a_checkpoint_is_free(self, folder: RunFolder) -> None:
        folder.open(None)
        folder.census.touch()

        folder.open(None)

    @pytest.mark.parametrize("name", ["best_model.pth", "last.pth"])
    def test_another_run_is_never_written_over(self, folder: RunFolder, name: str) -> None:
        folder.open(None)
        (folder.root / name).touch()

        with pytest.raises(SettingsError) as caught:
            folder.open(None)

        assert caught.value.what == "--checkpoint-dir"
        assert name in caught.value.got
        assert f"--resume-from {folder.root / name}" in caught.value.remedy

    def test_a_run_may_go_on_in_its_own_folder(self, folder: RunFolder) -> None:
        folder.open(None)
        folder.last.touch()

        folder.open(folder.root / ".." / "run" / "last.pth")

    def test_a_checkpoint_from_elsewhere_is_another_run(
        self, folder: RunFolder, tmp_path: Path
    ) -> None:
        folder.open(None)
        folder.last.touch()

        with pytest.raises(SettingsError, match="already holds a run"):
            folder.open(tmp_path / "last.pth")

    def test_a_file_in_the_way_is_told(self, folder: RunFolder) -> None:
        folder.root.write_bytes(b"")

        with pytest.raises(StorageError):
            folder.open(None)


class TestProtect:
    @pytest.fixture(autouse=True)
    def opened(self, folder: RunFolder) -> None:
        folder.open(None)

    def test_what_the_run_would_write_over_is_kept(self, folder: RunFolder) -> None:
        for path in (folder.best, folder.last, previous_of(folder.best), previous_of(folder.last)):
            path.write_bytes(path.name.encode())

            copy = folder.protect(path, 86)

            assert copy == folder.root / f"{path.stem}.epoch-0086.pth"
            write_whole(path, b"later")
            assert copy.read_bytes() == path.name.encode()

    def test_what_is_in_no_danger_is_left_alone(self, folder: RunFolder, tmp_path: Path) -> None:
        for path in (tmp_path / "best_model.pth", folder.root / "mine.pth"):
            path.write_bytes(b"x")

            assert folder.protect(path, 86) is None

        assert sorted(p.name for p in folder.root.iterdir()) == ["mine.pth"]

    def test_same_file_twice_makes_one_copy(self, folder: RunFolder) -> None:
        folder.best.write_bytes(b"1")

        assert folder.protect(folder.best, 3) == folder.protect(folder.best, 3)
        assert len(list(folder.root.iterdir())) == 2

    def test_a_copy_from_another_branch_protects_nothing(self, folder: RunFolder) -> None:
        folder.best.write_bytes(b"first branch")
        first = folder.protect(folder.best, 86)
        write_whole(folder.best, b"second branch")

        second = folder.protect(folder.best, 86)
        write_whole(folder.best, b"third")

        assert first is not None
        assert second is not None
        assert first.read_bytes() == b"first branch"
        assert second.read_bytes() == b"second branch"
        assert second.name == "best_model.epoch-0086-2.pth"

    def test_missing_file_is_told(self, folder: RunFolder) -> None:
        with pytest.raises(StorageError, match="No such file"):
            folder.protect(folder.last, 1)
