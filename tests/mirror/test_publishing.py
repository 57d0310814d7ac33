"""What a mirror holds, asked of the bucket by boto3: whole runs, and nothing else is named."""

import hashlib
import io
import json
import socket
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest

from decamo.errors import AddressError, AddressMissing, AddressUnreachable, MissingExtra
from decamo.mirror.beginning import opened_remote
from decamo.mirror.fetching import fetch_run
from decamo.mirror.held_files import hold
from decamo.mirror.manifest import Manifest, is_mirrored, manifest_name
from decamo.mirror.publishing import MirrorTaken, Publisher, newest_manifests
from decamo.schedule import Position
from decamo.storage.remote_files import answered
from tests.mirror.conftest import Bucket

FILES = {
    "last.pth": b"newest" * 1000,
    "last.previous.pth": b"before" * 1000,
    "best_model.pth": b"newest" * 1000,
    "journal.jsonl": b'{"kind": "run"}\n',
    "config.toml": b"[run]\n",
    "trackers/wandb.json": b"{}",
}
NOT_MIRRORED = {"plan.png": b"png", ".last.pth.tmp": b"half", "tensorboard/events": b"x"}


def run_folder(root: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, data in (files | NOT_MIRRORED).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def publisher(address: str, session: str = "one", **how: Any) -> Publisher:
    remote = opened_remote(address)
    known, serial = newest_manifests(remote)
    return Publisher(remote, "run", session, known, serial, **how)


def publish(by: Publisher, root: Path, step: int) -> Manifest:
    with hold(root, Position(step, step)) as held:
        return by.publish(held)


def fetched(address: str, root: Path) -> tuple[dict[str, bytes], list[str]]:
    said: list[str] = []
    remote = opened_remote(address)
    names = fetch_run(remote, newest_manifests(remote)[0], root, said.append)
    return {name: (root / name).read_bytes() for name in names}, said


@pytest.fixture(params=["s3", "memory", "file"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        fsspec.filesystem("memory").store.clear()
        return "memory://bucket/run"
    if request.param == "file":
        return f"file://{tmp_path}/elsewhere/run"
    held: Bucket = request.getfixturevalue("bucket")
    return held.address()


def test_what_is_published_is_fetched(address: str, tmp_path: Path) -> None:
    root = run_folder(tmp_path / "a")
    by = publisher(address)
    publish(by, root, 1)
    for step in (2, 3, 4):
        (root / "last.pth").write_bytes(b"%d" % step * 5000)
        publish(by, root, step)
    now, said = fetched(address, tmp_path / "b")
    assert now == FILES | {"last.pth": b"4" * 5000}
    assert said == []
    assert not any(is_mirrored(name) for name in NOT_MIRRORED)


def test_the_bucket_has_what_the_last_two_manifests_name(bucket: Bucket, tmp_path: Path) -> None:
    root = run_folder(tmp_path / "a")
    by = publisher(bucket.address())
    for step in range(1, 5):
        (root / "last.pth").write_bytes(b"%d" % step * 5000)
        publish(by, root, step)
    keys = bucket.keys()
    assert bucket.serials() == [3, 4]
    named: dict[str, int] = {}
    for serial in (3, 4):
        plain = json.loads(bucket.read(f"run/{manifest_name(serial)}"))
        for name, one in plain["files"].items():
            key = f"objects/{one['sha256']}{Path(name).suffix}"
            assert hashlib.sha256(bucket.read(f"run/{key}")).hexdigest() == one["sha256"]
            named[key] = one["bytes"]
    assert {k: v for k, v in keys.items() if k.startswith("objects/")} == named
    assert len(named) == len({hashlib.sha256(v).digest() for v in FILES.values()}) + 2


def test_the_same_state_is_published_once(bucket: Bucket, tmp_path: Path) -> None:
    root, by = run_folder(tmp_path / "a"), publisher(bucket.address())
    assert publish(by, root, 1) == publish(by, root, 1)
    assert bucket.serials() == [1]


def test_a_second_writer_ends_the_first(bucket: Bucket, tmp_path: Path) -> None:
    root = run_folder(tmp_path / "a")
    first = publisher(bucket.address())
    publish(first, root, 1)
    publish(publisher(bucket.address(), "two"), root, 2)
    with pytest.raises(MirrorTaken, match="another process"):
        publish(first, root, 3)
    assert bucket.serials() == [1, 2]


def test_an_answer_that_was_lost_is_not_another_writer(bucket: Bucket, tmp_path: Path) -> None:
    root, by = run_folder(tmp_path / "a"), publisher(bucket.address())
    by._remote.create = _losing_its_answer(by._remote.create)  # type: ignore[method-assign]
    with pytest.raises(AddressUnreachable):
        publish(by, root, 1)
    assert publish(by, root, 1).serial == 1
    assert publish(by, root, 2).serial == 2
    assert bucket.serials() == [1, 2]


def _losing_its_answer(create: Any) -> Any:
    calls = []

    def first_lost(name: str, data: bytes) -> bool:
        calls.append(name)
        made: bool = create(name, data)
        if len(calls) == 1:
            raise AddressUnreachable(name, "the answer was lost", "try again")
        return made

    return first_lost


def test_an_object_that_vanished_is_sent_again(bucket: Bucket, tmp_path: Path) -> None:
    root, by = run_folder(tmp_path / "a"), publisher(bucket.address())
    manifest = publish(by, root, 1)
    place = manifest.files["last.pth"].place("last.pth")
    bucket.client.delete_object(Bucket=bucket.name, Key=f"run/{place}")
    publish(by, root, 2)
    assert bucket.read(f"run/{place}") == FILES["last.pth"]


@pytest.mark.parametrize("how", ["truncated", "altered", "gone"])
def test_a_damaged_object_gives_way_to_the_one_before_it(
    bucket: Bucket, tmp_path: Path, how: str
) -> None:
    root, by = run_folder(tmp_path / "a"), publisher(bucket.address())
    publish(by, root, 1)
    (root / "last.pth").write_bytes(b"2" * 5000)
    place = publish(by, root, 2).files["last.pth"].place("last.pth")
    if how == "gone":
        bucket.client.delete_object(Bucket=bucket.name, Key=f"run/{place}")
    else:
        bucket.write(f"run/{place}", b"2" * 4000 if how == "truncated" else b"3" * 5000)
    now, said = fetched(bucket.address(), tmp_path / "b")
    assert now == FILES
    assert len(said) == 1
    assert "last.pth cannot be used" in said[0]
    assert "the one before it is taken" in said[0]
    assert ("truncated" if how == "truncated" else "") in said[0]


def test_a_manifest_that_is_cut_gives_way_to_the_one_before_it(
    bucket: Bucket, tmp_path: Path
) -> None:
    root, by = run_folder(tmp_path / "a"), publisher(bucket.address())
    publish(by, root, 1)
    (root / "last.pth").write_bytes(b"2" * 5000)
    publish(by, root, 2)
    key = f"run/{manifest_name(2)}"
    whole = bucket.read(key)
    for end in range(0, len(whole), 97):
        assert Manifest.from_bytes(whole[:end]) is None
    bucket.write(key, whole[:-20])
    assert fetched(bucket.address(), tmp_path / "b")[0] == FILES
    again = publisher(bucket.address(), "two")  # and its number is not given twice
    assert publish(again, root, 2).serial == 3


def test_a_manifest_names_no_file_outside_of_a_run(tmp_path: Path) -> None:
    root = run_folder(tmp_path / "a")
    with hold(root, Position()) as held:
        assert {one.name for one in held.files} == set(FILES)
    for name in (
        "../x.pth",
        "/etc/x.pth",
        "a/../../x.pth",
        "run.sh",
        "trackers/../x.json",
        ".x.pth",
    ):
        assert not is_mirrored(name)


def test_a_broken_upload_completes_nothing(bucket: Bucket) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 40 * 2**20:
                raise OSError("the disk went away")
            return super().read(size)

    remote = opened_remote(bucket.address())
    with pytest.raises(AddressUnreachable, match="the disk went away"):
        remote.upload("objects/x.pth", Breaking(b"x" * 2**26), 2**26)
    assert bucket.keys() == {}
    assert bucket.unfinished() == 0


def test_a_large_file_goes_in_parts_and_comes_back(bucket: Bucket, tmp_path: Path) -> None:
    data = bytes(range(256)) * (40 * 2**12)  # 40 MiB: three parts
    remote = opened_remote(bucket.address())
    remote.upload("objects/x.pth", io.BytesIO(data + b"not to be sent"), len(data))
    assert bucket.read("run/objects/x.pth") == data
    assert bucket.client.head_object(Bucket=bucket.name, Key="run/objects/x.pth")["ETag"].endswith(
        '-3"'
    )
    remote.download("objects/x.pth", str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == data


def test_what_is_wrong_is_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = opened_remote("s3://no-such-bucket-here/run")
    assert nowhere.sizes() == {}
    with pytest.raises(AddressMissing, match="bucket does not exist"):
        nowhere.write("x", b"1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(AddressError, match="no credentials"):
        opened_remote(bucket.address()).sizes()
    with pytest.raises(AddressError, match="Protocol not known"):
        opened_remote("nothing://x/y")


def test_a_server_that_takes_the_call_and_says_nothing(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        remote = opened_remote(bucket.address())
        with pytest.raises(AddressUnreachable, match=r"no answer within 0\.2 s"):
            answered(remote.address, remote.sizes, within=0.2)


def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    known = sys.modules["fsspec.registry"]._registry
    monkeypatch.delitem(known, "s3", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'decamo\[remote\]'"):
        opened_remote("s3://bucket/run")
    monkeypatch.delitem(sys.modules, "decamo.storage.remote_files")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtra, match=r"fsspec: .* pip install 'decamo\[remote\]'"):
        opened_remote("s3://bucket/run")
