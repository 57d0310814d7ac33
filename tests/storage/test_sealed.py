import errno
import hashlib
import io
import os
import pickle
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from decamo.errors import (
    CheckpointDamaged,
    CheckpointForeign,
    CheckpointMissing,
    StorageError,
)
from decamo.storage import previous_of
from decamo.storage.formats import FORMAT
from decamo.storage.sealed import load_sealed, read_sealed, save_sealed

STATE: dict[str, Any] = {
    "format": FORMAT,
    "model": {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(7)},
    "settings": {"schedule": {"lr": 0.1, "none": None, "on": True, "words": ["a", "ü"]}},
    "generators": torch.get_rng_state()[:16],
}
NAME = f"decamo-checkpoint-{FORMAT} ".encode()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a small checkpoint."""
    path = tmp_path_factory.mktemp("good") / "last.pth"
    save_sealed(path, STATE)
    return path.read_bytes()


@pytest.fixture
def untrusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if anything is given to torch.load at all."""

    def load(*_: object, **__: object) -> None:
        raise AssertionError("an unchecked file was handed to torch.load")

    monkeypatch.setattr(torch, "load", load)


def sealed(body: bytes) -> bytes:
    """A valid seal, made here by the documented rule, around a zip or around anything else."""
    head = body[:-2] + struct.pack("<H", len(NAME) + 64) + NAME
    return head + hashlib.sha256(head).hexdigest().encode()


def torch_bytes(state: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert torch_bytes(a) == torch_bytes(b)


class TestRoundTrip:
    def test_gives_equal_values_back(self, tmp_path: Path) -> None:
        save_sealed(tmp_path / "x.pth", STATE)

        loaded = read_sealed(tmp_path / "x.pth")

        assert loaded["settings"] == STATE["settings"]
        assert torch.equal(loaded["model"]["w"], STATE["model"]["w"])
        assert loaded["model"]["n"].dtype == torch.int64
        assert torch.equal(loaded["generators"], STATE["generators"])

    def test_plain_torch_load_reads_the_file(self, tmp_path: Path) -> None:
        save_sealed(tmp_path / "x.pth", STATE)

        assert_same(torch.load(tmp_path / "x.pth", weights_only=True), STATE)

    def test_plain_zip_readers_read_the_file(self, good: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(good)) as archive:
            assert archive.testzip() is None
            assert archive.comment.startswith(NAME)

    def test_seal_follows_the_documented_rule(self, good: bytes) -> None:
        assert good == sealed(torch_bytes(STATE))

    def test_is_as_good_after_a_copy_under_another_name(self, tmp_path: Path, good: bytes) -> None:
        (tmp_path / "renamed").write_bytes(good)

        assert_same(read_sealed(tmp_path / "renamed"), STATE)

    def test_keeps_the_file_before_it(self, tmp_path: Path) -> None:
        path = tmp_path / "last.pth"
        for number in (1, 2, 3):
            save_sealed(path, {"format": FORMAT, "number": number})

        assert read_sealed(path)["number"] == 3
        assert read_sealed(previous_of(path))["number"] == 2
        assert previous_of(path) == tmp_path / "last.previous.pth"


@pytest.mark.usefixtures("untrusting")
class TestDamage:
    def refused(self, folder: Path, data: bytes) -> None:
        path = folder / "x.pth"
        path.write_bytes(data)
        with pytest.raises((CheckpointDamaged, CheckpointForeign)) as caught:
            read_sealed(path)
        assert len(str(caught.value).splitlines()) == 1
        assert caught.value.what == str(path)

    def test_every_truncation_is_refused(self, tmp_path: Path, good: bytes) -> None:
        lengths = {*range(0, len(good), 37), *range(len(good) - 130, len(good)), 1, 2, 3, 21, 22}
        for length in sorted(lengths):
            self.refused(tmp_path, good[:length])

    def test_a_bit_flipped_anywhere_is_refused(self, tmp_path: Path, good: bytes) -> None:
        # Every byte of the end of the archive and of the seal, and every 11th before.
        places = [*range(0, len(good) - 130, 11), *range(len(good) - 130, len(good))]
        for i, place in enumerate(places):
            bad = bytearray(good)
            bad[place] ^= 1 << i % 8
            self.refused(tmp_path, bytes(bad))

    def test_every_bit_of_the_seal_counts(self, tmp_path: Path, good: bytes) -> None:
        for place in range(len(good) - 64 - len(NAME) - 2, len(good)):
            for bit in range(8):
                bad = bytearray(good)
                bad[place] ^= 1 << bit
                self.refused(tmp_path, bytes(bad))

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_any_splice_is_refused(
        self, tmp_path_factory: pytest.TempPathFactory, good: bytes, data: st.DataObject
    ) -> None:
        begin = data.draw(st.integers(0, len(good) - 1))
        end = data.draw(st.integers(begin, min(begin + 300, len(good))))
        middle = data.draw(st.binary(max_size=40))
        spliced = good[:begin] + middle + good[end:]
        if spliced != good:
            self.refused(tmp_path_factory.mktemp("splice"), spliced)

    def test_appended_bytes_are_refused(self, tmp_path: Path, good: bytes) -> None:
        self.refused(tmp_path, good + b"\n")
        self.refused(tmp_path, good + good)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
    def test_truncation_is_told_as_such(self, tmp_path: Path, good: bytes, share: float) -> None:
        (tmp_path / "x.pth").write_bytes(good[: int(share * len(good))])

        with pytest.raises(CheckpointDamaged, match="truncated"):
            read_sealed(tmp_path / "x.pth")

    def test_remedy_names_the_previous_file_where_there_is_one(
        self, tmp_path: Path, good: bytes
    ) -> None:
        path = tmp_path / "last.pth"
        path.write_bytes(good[:-1] + b"?")
        with pytest.raises(CheckpointDamaged, match="copy it again"):
            read_sealed(path)

        previous_of(path).write_bytes(good)
        with pytest.raises(CheckpointDamaged, match=str(previous_of(path))):
            read_sealed(path)


@pytest.mark.usefixtures("untrusting")
class TestOtherFiles:
    @pytest.mark.parametrize(
        "content",
        [
            b"<!DOCTYPE html><html><body>404: Not Found</body></html>",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            b"\x89PNG\r\n\x1a\n",
            b"decamo-checkpoint-1 ",
            pickle.dumps({"format": 1}),
        ],
    )
    def test_are_foreign(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x.pth").write_bytes(content)

        with pytest.raises(CheckpointForeign, match="not a decamo checkpoint; nothing in it was"):
            read_sealed(tmp_path / "x.pth")

    def test_of_torch_are_foreign_and_the_remedy_is_backbone_weights(self, tmp_path: Path) -> None:
        torch.save({"weight": torch.zeros(3)}, tmp_path / "x.pth")

        with pytest.raises(CheckpointForeign, match="--backbone-weights"):
            read_sealed(tmp_path / "x.pth")

    def test_of_torch_in_its_old_format_are_foreign(self, tmp_path: Path) -> None:
        path = tmp_path / "x.pth"
        torch.save({"weight": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)

        with pytest.raises(CheckpointForeign):
            read_sealed(path)

    def test_that_are_empty_are_damaged(self, tmp_path: Path) -> None:
        (tmp_path / "x.pth").write_bytes(b"")

        with pytest.raises(CheckpointDamaged, match="0 bytes"):
            read_sealed(tmp_path / "x.pth")


class TestMissing:
    def test_names_the_siblings(self, tmp_path: Path) -> None:
        (tmp_path / "best_model.pth").touch()
        (tmp_path / "notes.txt").touch()

        with pytest.raises(CheckpointMissing) as caught:
            read_sealed(tmp_path / "bestmodel.pth")

        assert "has best_model.pth" in caught.value.remedy
        assert "notes" not in caught.value.remedy

    def test_says_where_it_looked_in_vain(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointMissing, match=f"no checkpoint lies in {tmp_path / 'none'}"):
            read_sealed(tmp_path / "none" / "x.pth")

    def test_a_folder_is_answered_with_what_lies_in_it(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "last.pth").touch()

        with pytest.raises(CheckpointMissing, match=r"directory.*has last\.pth"):
            read_sealed(tmp_path / "run")


class Payload:
    """Unpickling this runs a shell command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


class TestMalice:
    """A checkpoint is data: whatever it holds, nothing in it is ever run."""

    @pytest.fixture
    def marker(self, tmp_path: Path) -> Path:
        return tmp_path / "executed"

    def test_the_payload_would_work(self, marker: Path) -> None:
        pickle.loads(pickle.dumps(Payload(marker)))

        assert marker.exists()

    @pytest.mark.parametrize("with_seal", [False, True])
    @pytest.mark.parametrize("kind", ["pickle", "torch", "old torch"])
    def test_is_never_executed(
        self, tmp_path: Path, marker: Path, kind: str, with_seal: bool
    ) -> None:
        state = {"format": FORMAT, "model": Payload(marker)}
        path = tmp_path / "x.pth"
        if kind == "pickle":
            data = pickle.dumps(state) + b"\0\0"
        elif kind == "torch":
            data = torch_bytes(state)
        else:
            torch.save(state, path, _use_new_zipfile_serialization=False)
            data = path.read_bytes() + b"\0\0"
        path.write_bytes(sealed(data) if with_seal else data)

        with pytest.raises(CheckpointForeign, match="nothing in it was executed"):
            read_sealed(path)

        assert not marker.exists()

    @pytest.mark.parametrize(
        "state",
        [
            [1, 2],
            {"no": "format"},
            {"format": FORMAT + 1},
            {"format": "new"},
            {"format": None},
            torch.zeros(2),
        ],
    )
    def test_a_valid_seal_around_no_run_is_foreign(self, tmp_path: Path, state: object) -> None:
        (tmp_path / "x.pth").write_bytes(sealed(torch_bytes(state)))

        with pytest.raises(CheckpointForeign):
            load_sealed(tmp_path / "x.pth")

    @pytest.mark.parametrize("member", ["data.pkl", "byteorder", "version", "data/0"])
    @pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x02}", b"\x80\x02]q\x00."])
    def test_a_valid_seal_around_a_garbled_archive_is_foreign(
        self, tmp_path: Path, member: str, content: bytes
    ) -> None:
        whole = torch_bytes({"format": FORMAT, "w": torch.zeros(100)})
        buffer = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(whole)) as old,
            zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as new,
        ):
            for name in old.namelist():
                inner = name.partition("/")[2]
                new.writestr(name, content if inner == member else old.read(name))
        path = tmp_path / "x.pth"
        path.write_bytes(sealed(buffer.getvalue()))

        try:
            loaded = read_sealed(path)
        except CheckpointForeign:
            return
        # torch does not look at every member: then what it holds must still be the run itself.
        assert loaded["format"] == FORMAT

    def test_format_of_a_later_decamo_says_to_update(self, tmp_path: Path) -> None:
        (tmp_path / "x.pth").write_bytes(sealed(torch_bytes({"format": FORMAT + 1})))

        with pytest.raises(CheckpointForeign, match="update decamo"):
            load_sealed(tmp_path / "x.pth")


class TestFullDisk:
    def test_old_checkpoint_survives(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "last.pth"
        save_sealed(path, STATE)

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            save_sealed(path, {"format": FORMAT})
        monkeypatch.undo()

        assert_same(read_sealed(path), STATE)
        assert [p.name for p in tmp_path.iterdir()] == ["last.pth"]

    def test_a_copy_cut_short_is_found(self, tmp_path: Path, good: bytes) -> None:
        (tmp_path / "a.pth").write_bytes(good)
        shutil.copy(tmp_path / "a.pth", tmp_path / "b.pth")
        os.truncate(tmp_path / "b.pth", len(good) // 2)

        with pytest.raises(CheckpointDamaged):
            read_sealed(tmp_path / "b.pth")
