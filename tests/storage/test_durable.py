import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from decamo.errors import StorageError
from decamo.storage import keep_copy, make_folder, replace_by_copy, storage_error, write_whole

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
Break = Callable[[pytest.MonkeyPatch], None]


def fails(*_: Any, **__: Any) -> Any:
    raise FULL


def fail_write(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> int:
            self.file.write(data[: len(data) // 2])
            raise FULL

    def open_full(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = real(self, mode, *args, **kwargs)
        return Full(file) if "w" in mode else file

    monkeypatch.setattr(Path, "open", open_full)


def fail_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fails)


def fail_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", fails)


def fail_link(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here, as on exFAT")

    monkeypatch.setattr(os, "link", link)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


class TestWriteWhole:
    def test_writes_chunks_in_order(self, tmp_path: Path) -> None:
        path = tmp_path / "f"

        write_whole(path, b"one", memoryview(b"two"), b"")

        assert path.read_bytes() == b"onetwo"
        assert names(tmp_path) == ["f"]

    def test_keeps_the_file_before_it(self, tmp_path: Path) -> None:
        path, previous = tmp_path / "f", tmp_path / "before"

        for content in (b"1", b"2", b"3"):
            write_whole(path, content, previous=previous)

        assert (path.read_bytes(), previous.read_bytes()) == (b"3", b"2")
        assert names(tmp_path) == ["before", "f"]

    def test_first_file_has_none_before_it(self, tmp_path: Path) -> None:
        write_whole(tmp_path / "f", b"1", previous=tmp_path / "before")

        assert names(tmp_path) == ["f"]

    @pytest.mark.parametrize("breaking", [fail_write, fail_fsync, fail_rename])
    def test_full_disk_leaves_the_old_file_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaking: Break
    ) -> None:
        path = tmp_path / "f"
        path.write_bytes(b"old")
        breaking(monkeypatch)

        with pytest.raises(StorageError) as caught:
            write_whole(path, b"new", previous=tmp_path / "before")

        monkeypatch.undo()
        assert path.read_bytes() == b"old"
        assert [n for n in names(tmp_path) if n.startswith(".")] == []
        assert caught.value.what == str(path)
        assert "No space left" in caught.value.got
        assert "name another --checkpoint-dir" in caught.value.remedy

    def test_bytes_and_then_their_name_reach_the_disk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done: list[str] = []
        fsync, replace = os.fsync, Path.replace

        def spy_fsync(descriptor: int) -> None:
            kind = "folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file"
            done.append(f"fsync {kind}")
            fsync(descriptor)

        def spy_replace(self: Path, target: Path) -> Path:
            done.append("rename")
            return replace(self, target)

        monkeypatch.setattr(os, "fsync", spy_fsync)
        monkeypatch.setattr(Path, "replace", spy_replace)
        write_whole(tmp_path / "f", b"x")

        assert done == ["fsync file", "rename", "fsync folder"]

    def test_never_writes_into_what_a_crash_left_linked(self, tmp_path: Path) -> None:
        # A crash between link and rename leaves the temporary as a second name of a checkpoint.
        checkpoint, path = tmp_path / "last", tmp_path / "best"
        checkpoint.write_bytes(b"weights")
        os.link(checkpoint, tmp_path / ".best.tmp")

        write_whole(path, b"new")

        assert checkpoint.read_bytes() == b"weights"
        assert path.read_bytes() == b"new"

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
    def test_read_only_folder_is_told_in_one_line(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        try:
            with pytest.raises(StorageError, match="make it writable"):
                write_whole(tmp_path / "f", b"x")
        finally:
            tmp_path.chmod(0o700)

    def test_missing_folder_is_told_in_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="No such file"):
            write_whole(tmp_path / "none" / "f", b"x")


class TestKeepCopy:
    @pytest.mark.parametrize("links", [True, False])
    def test_keeps_the_bytes_whatever_becomes_of_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
    ) -> None:
        path, copy = tmp_path / "f", tmp_path / "copy"
        path.write_bytes(b"old")
        if not links:
            fail_link(monkeypatch)

        keep_copy(path, copy)
        write_whole(path, b"new")

        assert (copy.read_bytes(), path.read_bytes()) == (b"old", b"new")
        assert names(tmp_path) == ["copy", "f"]

    def test_twice_leaves_no_temporary(self, tmp_path: Path) -> None:
        path, copy = tmp_path / "f", tmp_path / "copy"
        path.write_bytes(b"old")

        keep_copy(path, copy)
        keep_copy(path, copy)

        assert names(tmp_path) == ["copy", "f"]

    @pytest.mark.parametrize("breaking", [fail_write, fail_fsync, fail_rename])
    def test_full_disk_leaves_the_old_copy_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaking: Break
    ) -> None:
        path, copy = tmp_path / "f", tmp_path / "copy"
        path.write_bytes(b"new")
        copy.write_bytes(b"old")
        fail_link(monkeypatch)
        breaking(monkeypatch)

        with pytest.raises(OSError, match="No space"):
            keep_copy(path, copy)

        monkeypatch.undo()
        assert copy.read_bytes() == b"old"
        assert names(tmp_path) == ["copy", "f"]


class TestReplaceByCopy:
    def test_replaces_and_keeps_the_one_before(self, tmp_path: Path) -> None:
        source, path, previous = (tmp_path / n for n in ("last", "best", "best.previous"))
        source.write_bytes(b"2")
        path.write_bytes(b"1")

        replace_by_copy(source, path, previous)
        write_whole(source, b"3")

        assert [p.read_bytes() for p in (source, path, previous)] == [b"3", b"2", b"1"]
        assert names(tmp_path) == ["best", "best.previous", "last"]

    def test_works_where_nothing_was(self, tmp_path: Path) -> None:
        (tmp_path / "last").write_bytes(b"1")

        replace_by_copy(tmp_path / "last", tmp_path / "best", tmp_path / "best.previous")

        assert names(tmp_path) == ["best", "last"]

    def test_full_disk_leaves_the_old_file_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, path = tmp_path / "last", tmp_path / "best"
        source.write_bytes(b"2")
        path.write_bytes(b"1")
        monkeypatch.setattr(os, "link", fails)
        fail_write(monkeypatch)

        with pytest.raises(StorageError, match="free space"):
            replace_by_copy(source, path, tmp_path / "previous")

        monkeypatch.undo()
        assert (source.read_bytes(), path.read_bytes()) == (b"2", b"1")
        assert names(tmp_path) == ["best", "last"]

    def test_missing_source_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="No such file"):
            replace_by_copy(tmp_path / "none", tmp_path / "best", tmp_path / "previous")


class TestMakeFolder:
    def test_makes_parents_and_is_content_with_what_is_there(self, tmp_path: Path) -> None:
        make_folder(tmp_path / "a" / "b")
        make_folder(tmp_path / "a" / "b")

        assert (tmp_path / "a" / "b").is_dir()

    @pytest.mark.parametrize("inside", ["", "deeper"])
    def test_a_file_in_the_way_is_told(self, tmp_path: Path, inside: str) -> None:
        (tmp_path / "f").write_bytes(b"")

        with pytest.raises(StorageError) as caught:
            make_folder(tmp_path / "f" / inside)

        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "can be written"),
        (errno.EACCES, "make it writable"),
        (errno.EIO, "check the disk"),
    ],
)
def test_what_the_system_said_comes_with_a_remedy(number: int, remedy: str) -> None:
    error = storage_error(Path("x"), OSError(number, os.strerror(number)))

    assert error.got == os.strerror(number)
    assert remedy in error.remedy


def test_an_error_without_a_number_is_told_too() -> None:
    assert storage_error(Path("x"), OSError("encoder error -2")).got == "encoder error -2"
