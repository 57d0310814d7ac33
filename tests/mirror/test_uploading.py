"""A mirror that fails stops nothing, is said once, and gets what it lacks later."""

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from decamo.errors import AddressError, AddressUnreachable, SettingsError
from decamo.history import Saved
from decamo.mirror import beginning
from decamo.mirror.beginning import MirrorStart, MirrorStep, begin_mirror, next_step
from decamo.mirror.manifest import manifest_name
from decamo.mirror.uploading import Mirror
from decamo.schedule import Position
from decamo.storage import RunFolder
from tests.mirror.conftest import Bucket
from tests.mirror.flaky import Flaky
from tests.mirror.test_publishing import FILES, fetched, run_folder


@pytest.fixture
def way(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flaky]:
    """The way to the bucket's server."""
    flaky = Flaky(bucket.endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL", flaky.endpoint)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    yield flaky
    flaky.close()


def begun(bucket: Bucket, root: Path, **how: Any) -> MirrorStart:
    root.mkdir(parents=True, exist_ok=True)
    return begin_mirror(bucket.address(), RunFolder(root), **{"resume": False, "say": print, **how})


def saved(step: int) -> Saved:
    return Saved(Path("last.pth"), Position(step, step), 0.1)


def until(true: Callable[[], bool]) -> None:
    """Wait for what another thread does; the test's own time limit ends it."""
    while not true():
        time.sleep(0.01)


def whole(bucket: Bucket, serial: int) -> bool:
    """Whether all that a manifest names is there, by boto3 and hashlib alone."""
    plain = json.loads(bucket.read(f"run/{manifest_name(serial)}"))
    return all(
        hashlib.sha256(bucket.read(f"run/objects/{one['sha256']}{Path(name).suffix}")).hexdigest()
        == one["sha256"]
        for name, one in plain["files"].items()
    )


def test_a_server_that_dies_in_the_middle_of_an_upload(
    bucket: Bucket, way: Flaky, tmp_path: Path
) -> None:
    start, root = begun(bucket, tmp_path / "a"), run_folder(tmp_path / "a")
    said: list[str] = []
    mirror = Mirror(start, root, Position(), said.append, first_pause=0.05)
    mirror.on_event(saved(1))
    until(lambda: bucket.serials() == [1])
    for cut, step in ((5_000, 2), (400_000, 3)):
        (root / "last.pth").write_bytes(b"%d" % step * 2**21)
        way.bytes_left = cut
        mirror.on_event(saved(step))
        until(lambda: way.down)
        until(lambda: mirror._failing)
        assert max(bucket.serials()) == step - 1  # nobody is told of what was half there
        assert whole(bucket, step - 1)
        way.mend()
        until(lambda: max(bucket.serials()) == step)  # noqa: B023 - done at once
        assert whole(bucket, step)
    mirror.close()
    lines = "\n".join(said)
    assert len(said) == 4
    assert lines.count("the run goes on, and it is tried again") == 2
    assert lines.count("it answers again, and has the run") == 2
    assert fetched(bucket.address(), tmp_path / "b")[0]["last.pth"] == b"3" * 2**21


def test_a_server_that_stays_away_is_told_of_at_the_end(
    bucket: Bucket, way: Flaky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, root = begun(bucket, tmp_path / "a"), run_folder(tmp_path / "a")
    said: list[str] = []
    mirror = Mirror(start, root, Position(), said.append, first_pause=0.05)
    monkeypatch.setattr(beginning, "_position_in", lambda folder: Position(7, 7))
    way.break_now()
    mirror.on_event(saved(7))
    until(lambda: mirror._failing)
    mirror.close()
    assert [line.partition(": ")[0] for line in said] == [f"mirror {bucket.address()}"] * 2
    assert "epoch 7, step 7 is not there" in said[-1]
    way.mend()
    late: list[str] = []  # the next session has it all
    Mirror(begun(bucket, root), root, Position(7, 7), late.append).close()
    assert late == []
    assert fetched(bucket.address(), tmp_path / "b")[0] == FILES


def test_the_newest_wins_and_saves_do_not_wait(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, root = begun(bucket, tmp_path / "a"), run_folder(tmp_path / "a")
    gate, sending = threading.Event(), threading.Event()
    upload = start.remote.upload

    def slow(*args: Any) -> None:
        sending.set()
        gate.wait()
        upload(*args)

    monkeypatch.setattr(start.remote, "upload", slow)
    mirror = Mirror(start, root, Position(), print)
    mirror.on_event(saved(1))
    sending.wait()
    for step in range(2, 30):  # each is replaced by rename, as a run's checkpoints are
        (root / "new").write_bytes(b"%d" % step * 5000)
        (root / "new").replace(root / "last.pth")
        mirror.on_event(saved(step))
    gate.set()
    mirror.close()
    assert bucket.serials() == [1, 2]
    plain = [json.loads(bucket.read(f"run/{manifest_name(s)}")) for s in (1, 2)]
    assert [one["position"]["step"] for one in plain] == [1, 29]
    first = plain[0]["files"]["last.pth"]["sha256"]  # as it was when it was offered
    assert first == hashlib.sha256(FILES["last.pth"]).hexdigest()


def test_without_a_checkpoint_nothing_is_sent(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.toml").write_text("[run]\n")
    Mirror(begun(bucket, tmp_path / "a"), tmp_path / "a", Position(), print).close()
    assert bucket.keys() == {}


A, B = Position(1, 10), Position(2, 20)


@pytest.mark.parametrize(
    ("local", "held", "same", "resume", "step"),
    [
        (None, None, False, False, MirrorStep.SEND),
        (A, None, False, True, MirrorStep.SEND),
        (None, A, False, True, MirrorStep.FETCH),
        (None, A, False, False, MirrorStep.REFUSE_HELD),
        (A, A, False, True, MirrorStep.REFUSE_OTHER),
        (B, A, False, True, MirrorStep.REFUSE_OTHER),
        (A, A, True, True, MirrorStep.SEND),
        (B, A, True, False, MirrorStep.SEND),
        (A, B, True, True, MirrorStep.FETCH),
        (A, B, True, False, MirrorStep.REFUSE_BEHIND),
    ],
)
def test_who_is_farther_on_decides(
    local: Position | None, held: Position | None, same: bool, resume: bool, step: MirrorStep
) -> None:
    assert next_step(local, held, same=same, resume=resume) is step


def test_an_address_that_is_wrong_is_told_before_anything_is_trained(
    bucket: Bucket, tmp_path: Path
) -> None:
    with pytest.raises(AddressError, match="bucket does not exist"):
        begin_mirror(
            "s3://no-such-bucket-here/run", RunFolder(tmp_path / "a"), resume=True, say=print
        )
    with pytest.raises(SettingsError, match="password"):
        begin_mirror("sftp://me:pw@host/run", RunFolder(tmp_path / "a"), resume=True, say=print)
    assert not (tmp_path / "a").exists()


def test_a_server_that_does_not_answer(
    bucket: Bucket, way: Flaky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new run is refused; one that is here goes on, and the mirror gets it when it is back."""
    start, root = begun(bucket, tmp_path / "a"), run_folder(tmp_path / "a")
    Mirror(start, root, Position(1, 1), print).close()
    way.break_now()
    with pytest.raises(AddressUnreachable):
        begun(bucket, tmp_path / "new", resume=True)
    assert not (tmp_path / "new" / "mirror.json").exists()
    monkeypatch.setattr(beginning, "_position_in", lambda folder: Position(2, 2))
    said: list[str] = []
    start = begun(bucket, root, resume=True, say=said.append)
    assert "the run goes on from" in said[0]
    way.mend()
    Mirror(start, root, Position(2, 2), said.append).close()
    assert len(said) == 1
    assert bucket.serials() == [1, 2]


def test_of_two_machines_the_one_that_is_behind_gives_way(
    bucket: Bucket, way: Flaky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, root = begun(bucket, tmp_path / "a"), run_folder(tmp_path / "a")
    shutil.copytree(root, tmp_path / "b")
    Mirror(start, root, Position(5, 5), print).close()
    monkeypatch.setattr(beginning, "_position_in", lambda folder: Position(2, 2))
    way.break_now()
    said: list[str] = []
    start = begun(bucket, tmp_path / "b", resume=True, say=said.append)
    way.mend()
    Mirror(start, tmp_path / "b", Position(2, 2), said.append).close()
    assert "it stands farther on, after epoch 5; nothing more of this one is sent" in said[1]
    assert bucket.serials() == [1]
