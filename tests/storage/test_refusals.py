"""Files that cannot be written, and places where something else is."""

import errno
import io
import os
import sqlite3
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch

from decamo.errors import AddressError, DecamoError, SettingsError, StorageError
from decamo.mirror.beginning import opened_remote
from decamo.storage import RunFolder, outputs, run_folder, sealed
from decamo.storage.databases import Database
from decamo.storage.outputs import Written, check_outputs, write_output
from decamo.storage.sealed import load_sealed, save_sealed


def refuse(number: int) -> Any:
    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


class TestOutputs:
    def test_a_link_to_itself_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to(tmp_path / "a")
        with pytest.raises(StorageError, match="a: "):
            write_output(tmp_path / "a", b"x")

    def test_a_pipe_is_written_to_and_stays_one(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        write_output(pipe, b"one, ", b"two")
        assert os.read(reader, 100) == b"one, two"
        os.close(reader)
        assert pipe.is_fifo()

    def test_a_full_device_is_told(self) -> None:
        with pytest.raises(StorageError, match="No space left on device"):
            write_output(Path("/dev/full"), b"x" * 100_000)

    def test_a_file_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "a").touch()
        with pytest.raises(
            SettingsError, match=r"--out: .*/a is a file, not a folder; name a fold"
        ):
            check_outputs([], [Written("--out", tmp_path / "a", folder=True)])

    def test_what_is_write_protected_is_told_before_the_work(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
        with pytest.raises(SettingsError, match=r"--out: .* may not be written to; make it writ"):
            check_outputs([], [Written("--out", tmp_path / "a.json")])

    def test_what_cannot_be_read_is_not_known_as_our_own(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text('{"made by": 1}')
        assert outputs._is_own_json(tmp_path / "a.json", b"made by")
        assert not outputs._is_own_json(tmp_path / "b.json", b"made by")


class TestRunFolders:
    def test_each_config_of_a_persons_own_is_kept_once(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        kept = []
        for text in ("# mine\n", "# another\n", "# mine\n", "# a third\n", "# another\n"):
            folder.config.unlink(missing_ok=True)  # the copy may be a link to it
            folder.config.write_text(text)
            kept.append(folder.keep_given_config().name)
        names = ["config.given.toml", "config.given-2.toml", "config.given-3.toml"]
        assert kept == [names[0], names[1], names[0], names[2], names[1]]
        assert [(tmp_path / name).read_text() for name in names] == [
            "# mine\n", "# another\n", "# a third\n",
        ]  # fmt: skip

    def test_one_that_cannot_be_kept_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = RunFolder(tmp_path)
        folder.config.write_text("# mine\n")
        monkeypatch.setattr(run_folder, "keep_copy", refuse(errno.ENOSPC))
        with pytest.raises(StorageError, match=r"config\.given\.toml: .*No space left"):
            folder.keep_given_config()

    def test_files_that_go_away_meanwhile_count_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"123")

        class Going(type(tmp_path)):  # type: ignore[misc]
            def is_file(self) -> bool:
                raise FileNotFoundError(2, "gone", str(self))

        assert run_folder._bytes(tmp_path / "a") == 3
        assert run_folder._bytes(Going(tmp_path / "a")) == 0
        assert "which process has the folder" in run_folder._by_name(".owner-0001")


class TestCheckpoints:
    def test_memory_that_does_not_suffice_is_not_the_files_fault(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save_sealed(tmp_path / "a.pth", {"a": 1})

        def load(*_: object, **__: object) -> None:
            raise MemoryError

        monkeypatch.setattr(torch, "load", load)
        with pytest.raises(StorageError, match="not enough memory to read it; end other programs"):
            load_sealed(tmp_path / "a.pth")

    def test_a_disk_that_fails_while_it_is_read_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save_sealed(tmp_path / "a.pth", {"a": 1})
        monkeypatch.setattr(sealed, "_digest", refuse(errno.EIO))
        with pytest.raises(DecamoError, match=f"cannot be read: {os.strerror(errno.EIO)}"):
            load_sealed(tmp_path / "a.pth")

    def test_an_address_is_not_looked_for_on_this_disk(self) -> None:
        with pytest.raises(DecamoError, match="no address is read here: copy the file"):
            load_sealed(Path("s3://bucket/a.pth"))


class TestDatabases:
    def test_of_another_kind_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "a.db"
        held(path, "scores 1")._base.close()
        with pytest.raises(SettingsError, match=r"was made by scores 1, not by audit 1; name ano"):
            held(path, "audit 1")

    def test_of_another_version_begins_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "a.db"
        first = held(path, "scores 1")
        first.write("INSERT INTO t VALUES (?)", 1)
        first.save()
        first._base.close()
        again = held(path, "scores 1")
        assert again.all("SELECT x FROM t") == [(1,)]
        again._base.close()
        assert held(path, "scores 2").all("SELECT x FROM t") == []

    def test_in_use_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path: Path = tmp_path / "a.db"
        real: Any = sqlite3.connect
        held(path, "scores 1")._base.close()
        monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, timeout=0.01, **k))
        other = real(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SettingsError, match=r"is in use by another command; wait for it"):
            held(path, "scores 1")
        other.close()


def held(path: Path, kind: str) -> Database:
    return Database(path, kind, "CREATE TABLE IF NOT EXISTS t (x);", flag="--resume")


class TestAddresses:
    @pytest.fixture
    def remote(self) -> Any:
        fsspec.filesystem("memory").store.clear()
        return opened_remote("memory://bucket/run")

    def test_what_is_there_is_not_made_again(self, remote: Any) -> None:
        assert remote.create("a", b"one")
        assert not remote.create("a", b"two")
        assert remote.read("a") == b"one"

    @pytest.mark.parametrize(
        "error",
        [TypeError("mode"), NotImplementedError(), OSError(errno.ENOTSUP, "not supported")],
    )
    def test_a_store_that_knows_no_creating_is_written_to(
        self, remote: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        real = remote._fs.pipe_file

        def pipe_file(path: str, data: bytes, **how: Any) -> None:
            if how:
                raise error
            real(path, data)

        monkeypatch.setattr(remote._fs, "pipe_file", pipe_file)
        assert remote.create("a", b"one")
        assert remote.read("a") == b"one"

    @pytest.mark.parametrize(
        ("error", "made"), [(FileExistsError(), False), (OSError(errno.EIO, "broken"), None)]
    )
    def test_another_one_may_be_quicker_and_a_disk_may_break(
        self, remote: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, made: bool | None
    ) -> None:
        def pipe_file(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(remote._fs, "pipe_file", pipe_file)
        if made is None:
            with pytest.raises(DecamoError, match="broken"):
                remote.create("a", b"one")
        else:
            assert remote.create("a", b"one") is made

    def test_a_file_that_ends_too_early_is_not_sent(self, remote: Any) -> None:
        with pytest.raises(DecamoError, match="7 bytes of 10 could not be read here"):
            remote.upload("a", io.BytesIO(b"one"), 10)

    def test_a_refusal_asks_for_credentials(
        self, remote: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(remote._fs, "cat_file", refuse(errno.EACCES))
        with pytest.raises(AddressError, match=r"refused .*; give credentials that may use it"):
            remote.read("a")
