"""Mirrors that hold something else, are damaged, or are written to by somebody else."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from decamo.api.mirroring import mirror_start
from decamo.checkpoint import load_save
from decamo.errors import (
    AddressError,
    AddressUnreachable,
    CheckpointDamaged,
    SettingsError,
    StorageError,
)
from decamo.mirror import beginning, held_files, publishing
from decamo.mirror.beginning import begin_mirror, look_at_mirror, opened_remote
from decamo.mirror.fetching import fetch_run
from decamo.mirror.held_files import Digests, hold
from decamo.mirror.local_copy import local_checkpoint, local_log
from decamo.mirror.manifest import Manifest, manifest_name
from decamo.mirror.publishing import MirrorTaken, newest_manifests
from decamo.mirror.uploading import Mirror
from decamo.schedule import Position
from decamo.storage import RunFolder
from tests.mirror.test_publishing import publish, publisher, run_folder


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"file://{tmp_path}/elsewhere/run"


@pytest.fixture
def stands(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Position | None]]:
    """Where the run folder stands, as its checkpoint would say."""
    said: dict[str, Position | None] = {"here": None}
    monkeypatch.setattr(beginning, "_position_in", lambda _: said["here"])
    return said  # type: ignore[return-value]


def begin(address: str, root: Path, said: list[str], *, resume: bool = False) -> Any:
    return begin_mirror(address, RunFolder(root), resume=resume, say=said.append)


class TestBeginning:
    def test_a_run_there_is_not_written_over(
        self, address: str, tmp_path: Path, stands: dict[str, Position | None]
    ) -> None:
        publish(publisher(address), run_folder(tmp_path / "a"), 3)
        with pytest.raises(SettingsError, match=r"already holds a run, after epoch 3.*--resume au"):
            begin(address, tmp_path / "b", [])
        stands["here"] = Position(1, 1)
        with pytest.raises(SettingsError, match=r"holds another run than .*, after epoch 3"):
            begin(address, tmp_path / "b", [])

    def test_of_one_run_the_farther_one_counts(
        self, address: str, tmp_path: Path, stands: dict[str, Position | None]
    ) -> None:
        root, said = run_folder(tmp_path / "a"), list[str]()
        start = begin(address, root, said)
        stands["here"] = Position(2, 2)
        Mirror(start, root, Position(2, 2), said.append).close()
        stands["here"] = Position(5, 5)
        begin(address, root, said)
        assert "farther on, after epoch 5" in said[-1]
        assert said[-1].endswith("the run goes on from there")
        stands["here"] = Position(1, 1)
        with pytest.raises(SettingsError, match=r"farther on than .*, after epoch 1"):
            begin(address, root, said)
        begin(address, root, said, resume=True)
        assert any(line.startswith("kept: ") and "after epoch 1" in line for line in said)
        assert said[-1].startswith("fetched: 6 files from ")

    def test_one_that_is_looked_at_says_where_it_stands(self, address: str, tmp_path: Path) -> None:
        said: list[str] = []
        look_at_mirror(address, said.append)
        publish(publisher(address), run_folder(tmp_path / "a"), 3)
        look_at_mirror(address, said.append)
        assert said[0].endswith("it answers; it is empty")
        assert "it answers; it stands after epoch 3" in said[1]

    def test_one_of_damaged_manifests_is_refused(self, address: str, tmp_path: Path) -> None:
        publish(publisher(address), run_folder(tmp_path / "a"), 3)
        for path in (tmp_path / "elsewhere" / "run").glob("mirror-*.json"):
            path.write_bytes(b"{}")
        with pytest.raises(AddressError, match="no manifest is whole; name another --mirror"):
            begin(address, tmp_path / "b", [])

    def test_one_without_a_whole_checkpoint_is_refused(self, address: str, tmp_path: Path) -> None:
        root = run_folder(tmp_path / "a", {"journal.jsonl": b"{}\n"})
        publish(publisher(address), root, 3)
        with pytest.raises(AddressError, match="no checkpoint there is whole"):
            begin(address, tmp_path / "b", [], resume=True)

    def test_damaged_checkpoints_here_count_as_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "last.pth").write_bytes(b"half")

        def damaged(_: RunFolder) -> None:
            raise CheckpointDamaged(tmp_path, "it ends too early", "name another")

        monkeypatch.setattr(load_save, "newest_of", damaged)
        assert beginning._position_in(RunFolder(tmp_path / "a")) is None

    def test_a_run_that_leaves_its_mirror_says_so(self, address: str, tmp_path: Path) -> None:
        said: list[str] = []
        given: dict[str, Any] = {"run": {"checkpoint_dir": str(tmp_path / "a"), "mirror": address}}
        assert mirror_start(given, said.append, look_only=True) is None
        assert said[-1].endswith("it answers; it is empty")
        assert mirror_start(given, said.append) is not None
        del given["run"]["mirror"]
        assert mirror_start(given, said.append) is None
        assert said[-1] == f"not copied to {address} from here on: give --mirror to go on with that"


class TestPublishing:
    def test_a_manifest_whose_answer_was_lost_is_known_again(
        self, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root, by = run_folder(tmp_path / "a"), publisher(address)
        real = by._remote.create

        def create(name: str, data: bytes) -> bool:
            real(name, data)
            return real(name, data)  # sent twice, for the answer was lost

        monkeypatch.setattr(by._remote, "create", create)
        assert publish(by, root, 1).serial == 1
        assert newest_manifests(opened_remote(address))[1] == 1

    def test_another_run_that_came_while_it_did_not_answer_is_left_alone(
        self, address: str, tmp_path: Path
    ) -> None:
        root = run_folder(tmp_path / "a")
        publish(publisher(address), root, 1)
        late = publishing.Publisher(opened_remote(address), "another run", "two", [], None)
        with pytest.raises(MirrorTaken, match="it holds another run"):
            publish(late, root, 2)

    def test_who_gives_up_sends_nothing_more(self, address: str, tmp_path: Path) -> None:
        by = publisher(address, going_on=lambda: False)
        with pytest.raises(AddressUnreachable, match="given up; it is sent next time"):
            publish(by, run_folder(tmp_path / "a"), 1)
        assert newest_manifests(opened_remote(address)) == ([], 0)

    def test_what_is_shorter_there_than_it_was_sent_is_no_copy(
        self, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        by = publisher(address)
        real = by._remote.upload

        def upload(name: str, file: BinaryIO, length: int) -> None:
            real(name, file, length - 1)

        monkeypatch.setattr(by._remote, "upload", upload)
        with pytest.raises(AddressUnreachable, match="is not there as it was sent"):
            publish(by, run_folder(tmp_path / "a"), 1)

    def test_what_cannot_be_removed_stays(
        self, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root, by = run_folder(tmp_path / "a"), publisher(address)

        def remove(names: list[str]) -> None:
            raise AddressError(address, "refused", "give credentials")

        monkeypatch.setattr(by._remote, "remove", remove)
        serials = [publish(by, root, step).serial for step in (1, 2, 3, 4)]
        assert serials == [1, 2, 3, 4]
        there = {path.name for path in (tmp_path / "elsewhere" / "run").glob("mirror-*.json")}
        assert there == {manifest_name(serial) for serial in serials}

    def test_a_manifest_of_other_content_is_none(self, address: str, tmp_path: Path) -> None:
        made = publish(publisher(address), run_folder(tmp_path / "a"), 1)
        assert Manifest.from_bytes(made.to_bytes()) == made
        assert Manifest.from_bytes(made.to_bytes().replace(b'"epoch": 1', b'"epoch": 2')) is None

    def test_a_file_that_loses_its_end_is_told(self, tmp_path: Path) -> None:
        root = run_folder(tmp_path / "a")
        with hold(root, Position(1, 1)) as held:
            for one in held.files:
                os.truncate(root / one.name, 0)
            with pytest.raises(OSError, match=r"bytes are gone"):
                Digests().of(held)

    def test_on_windows_a_copy_is_held(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file that is open there cannot be replaced by the next save."""
        root = run_folder(tmp_path / "a")
        with monkeypatch.context() as patch:
            patch.setattr("os.name", "nt")
            one = held_files._opened(root / "last.pth", "last.pth")
        (root / "last.pth").write_bytes(b"another")
        with one.file as file:
            file.seek(0)
            assert file.read() == b"newest" * 1000

    def test_abandoned_it_sends_nothing(self, address: str, tmp_path: Path) -> None:
        root, said = run_folder(tmp_path / "a"), list[str]()
        start = begin(address, tmp_path / "b", said)
        mirror = Mirror(start, root, Position(1, 1), said.append)
        assert mirror.seconds == 0
        mirror.abandon()
        mirror._thread.join(10)
        assert not mirror._thread.is_alive()
        mirror._offer()  # there is nobody to take it
        assert newest_manifests(opened_remote(address)) == ([], 0)


class TestCopiesHere:
    @pytest.fixture(autouse=True)
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def test_a_log_is_read_by_the_name_of_its_file(self, tmp_path: Path) -> None:
        (tmp_path / "log.txt").write_text("Epoch 1: Loss: 0.5 | IoU: 0.6\n")
        found = local_log(f"file://{tmp_path}/log.txt")
        assert Path(found).read_text() == "Epoch 1: Loss: 0.5 | IoU: 0.6\n"
        assert Path(found).is_relative_to(tmp_path / "cache")

    def test_a_log_within_a_mirror_is_read(self, address: str, tmp_path: Path) -> None:
        publish(publisher(address), run_folder(tmp_path / "a"), 3)
        assert Path(local_log(f"{address}/journal.jsonl")).read_bytes() == b'{"kind": "run"}\n'

    def test_the_weights_of_openvino_come_along(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "m.xml").write_bytes(b"<net/>")
        (tmp_path / "there" / "m.bin").write_bytes(b"weights")
        found = Path(local_checkpoint(f"file://{tmp_path}/there/m.xml"))
        assert found.read_bytes() == b"<net/>"
        assert found.with_suffix(".bin").read_bytes() == b"weights"


def test_what_is_fetched_onto_a_full_disk_is_told(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(publisher(address), run_folder(tmp_path / "a"), 3)
    remote = opened_remote(address)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="No space left on device"):
        fetch_run(remote, newest_manifests(remote)[0], tmp_path / "b", print)
