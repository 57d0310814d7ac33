import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import decamo
from decamo.errors import SettingsError, StorageError
from decamo.storage import owner, owner_file
from decamo.storage.owner import own
from decamo.storage.owner_file import Holder
from decamo.system import boot_id

SOURCE = str(Path(decamo.__file__).parents[1])
OWN = (
    "import sys, time, pathlib\nfrom decamo.errors import DecamoError\n"
    "from decamo.storage.owner import own\n"
    "try:\n"
    " with own(pathlib.Path(sys.argv[1]), say=lambda line: print('said', line, flush=True)):\n"
    "  print('owned', flush=True); sys.stdin.read()\n"
    "except DecamoError as error: print('refused', error, flush=True)\n"
)
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts processes that own a folder until they are told to end."""
    running: list[subprocess.Popen[str]] = []

    def begin(folder: Path, *before: str) -> subprocess.Popen[str]:
        words = [*before, sys.executable, "-c", OWN, str(folder)]
        environment = os.environ | {"PYTHONPATH": SOURCE}
        one = subprocess.Popen(
            words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        running.append(one)
        return one

    yield begin
    for one in running:
        one.kill()
        one.communicate()


def word(one: subprocess.Popen[str]) -> str:
    assert one.stdout is not None
    return one.stdout.readline().strip()


def quiet(_: str) -> None: ...


def left_by(folder: Path, holder: Holder | None, age: float = 0.0, number: int = 1) -> Path:
    """A file as an owner has left it that could not tidy up."""
    path = folder / f".owner-{number:04d}"
    path.write_bytes(b"" if holder is None else holder.to_bytes())
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def over() -> Holder:
    """A process of this machine that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return replace(Holder.this(), process=ended.pid, started="1")


ELSEWHERE = Holder("far-away", 12, boot="another", space="pid:[1]", started="7", since=1e9)


class Time:
    """A clock that sleeping moves, and what happens meanwhile."""

    def __init__(self, happens: Callable[[float], object] = lambda now: None) -> None:
        self.now, self.happens = 0.0, happens

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.happens(self.now)


class TestTheSecondIsRefused:
    def test_by_host_process_and_since_when(self, tmp_path: Path, start: Start) -> None:
        first = start(tmp_path)
        assert word(first) == "owned"
        for before in ((), ("env", "HOME=/")):
            second = word(start(tmp_path, *before))
            assert second.startswith(f"refused --checkpoint-dir: {tmp_path} is in use: process")
            assert f"process {first.pid} on {socket.gethostname()}, since 20" in second
        link = tmp_path.with_name(f"{tmp_path.name}-link")
        link.symlink_to(tmp_path)
        assert word(start(link)).startswith("refused")
        first.communicate()
        assert word(start(tmp_path)) == "owned"

    def test_of_many_at_once_one_gets_it(self, tmp_path: Path, start: Start) -> None:
        left_by(tmp_path, over())
        words = []
        for one in [start(tmp_path) for _ in range(5)]:
            line = word(one)
            words.append(word(one).split()[0] if line.startswith("said") else line.split()[0])
        assert sorted(words) == ["owned", *["refused"] * 4]

    def test_while_it_is_suspended_too(self, tmp_path: Path, start: Start) -> None:
        first = start(tmp_path)
        assert word(first) == "owned"
        first.send_signal(signal.SIGSTOP)
        os.waitpid(first.pid, os.WUNTRACED)
        os.utime(tmp_path / ".owner-0001", (0, 0))
        second = word(start(tmp_path))
        first.send_signal(signal.SIGCONT)
        assert "(suspended); let it go on (`kill -CONT " in second

    def test_by_a_heartbeat_that_moves_on_another_machine(self, tmp_path: Path) -> None:
        path, said = left_by(tmp_path, ELSEWHERE, age=30), list[str]()
        clock = Time(lambda now: os.utime(path) if now >= 9 else None)
        with (
            pytest.raises(
                SettingsError, match=r"process 12 on far-away, since 2001-09-09 01:46:40"
            ),
            own(tmp_path, say=said.append, clock=clock, sleep=clock.sleep),
        ):
            pass
        assert len(said) == 1
        assert "was alive 30 s ago; watching whether it still is, for 90 s at most" in said[0]
        assert clock.now < 10

    def test_in_a_container_by_the_lock(self, tmp_path: Path, start: Start) -> None:
        """Its number means nothing here, and its host may have our name."""
        unshare = ("unshare", "--pid", "--fork", "--mount-proc")
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
            pytest.skip("this machine lets nobody make a name space")
        first = start(tmp_path, *unshare)
        assert word(first) == "owned"
        second = word(start(tmp_path, *unshare))
        assert second.startswith("refused")
        assert word(start(tmp_path)).startswith("refused")
        inner = json.loads((tmp_path / ".owner-0001").read_bytes())
        assert inner["process"] < 10
        children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        first.wait()
        assert word(start(tmp_path)).startswith("said process")


class TestADeadOneGivesWay:
    @pytest.mark.parametrize(
        ("left", "age"),
        [
            ("killed", 0.0),
            ("another process has its number now", 0.0),
            ("an earlier call of this process", 0.0),
            ("a copy of the folder of a living run", 0.0),
            ("a container that is over", 0.0),
            ("another machine", 121.0),
            ("another machine, by a clock that is ahead", -3600.0),
            ("nothing in it", 500.0),
            ("no JSON", 500.0),
            ("the same name on another machine", 3600.0),
        ],
    )
    def test_and_that_is_said(self, tmp_path: Path, start: Start, left: str, age: float) -> None:
        this = Holder.this(time.time())
        other: dict[str, Holder | None] = {
            "killed": over(),
            "another process has its number now": replace(this, process=1, started="0"),
            "an earlier call of this process": this,
            "a container that is over": replace(this, space="pid:[7]", locked=True),
            "nothing in it": None,
            "the same name on another machine": replace(ELSEWHERE, host=this.host),
        }
        if left == "a copy of the folder of a living run":
            (tmp_path / "run").mkdir()
            assert word(start(tmp_path / "run")) == "owned"
            (tmp_path / ".owner-0001").write_bytes((tmp_path / "run/.owner-0001").read_bytes())
        else:
            left_by(tmp_path, other.get(left, ELSEWHERE), age)
        if left == "no JSON":
            (tmp_path / ".owner-0001").write_bytes(b"[1]")
            os.utime(tmp_path / ".owner-0001", (0, 0))
        said, clock = list[str](), Time()
        with own(tmp_path, say=said.append, clock=clock, sleep=clock.sleep):
            assert sorted(p.name for p in tmp_path.glob(".owner*")) == [".owner-0002"]
        assert list(tmp_path.glob(".owner*")) == []
        assert said[-1].endswith(f"this run takes {tmp_path} over")
        assert clock.now == pytest.approx(120 if age < 0 else 0)

    def test_at_once_after_a_kill_though_its_readers_linger(
        self, tmp_path: Path, start: Start
    ) -> None:
        program = (
            "import os, pathlib, sys, time\nfrom decamo.storage.owner import own\n"
            f"with own(pathlib.Path({str(tmp_path)!r}), say=print):\n"
            " if os.fork(): print('owned', flush=True)\n"
            " time.sleep(60)\n"
        )
        words = [sys.executable, "-c", program]
        environment = os.environ | {"PYTHONPATH": SOURCE}
        with subprocess.Popen(
            words, text=True, stdout=subprocess.PIPE, env=environment, start_new_session=True
        ) as killed:
            assert word(killed) == "owned"
            killed.kill()
            killed.wait()
            second = start(tmp_path)
            assert word(second).startswith("said process")
            assert word(second) == "owned"
            os.killpg(killed.pid, signal.SIGKILL)


class TestWithoutHelpFromTheFileSystem:
    def test_without_links_and_locks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.EPERM, "no links here, as on exFAT")

        monkeypatch.setattr(os, "link", refuse)
        monkeypatch.setattr(owner_file, "lock", lambda file: None)
        with own(tmp_path, say=quiet) as mine:
            assert [p.name for p in tmp_path.iterdir()] == [".owner-0001"]
            assert Holder.read(mine.path.read_bytes()) == replace(mine.holder, locked=None)
            monkeypatch.setattr(owner, "_held", {})
            left_by(tmp_path, replace(Holder.this(), process=os.getppid(), started=""))
            with pytest.raises(SettingsError, match="is in use"), own(tmp_path, say=quiet):
                pass
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("trouble", [errno.EROFS, errno.ENOSPC, errno.EACCES])
    def test_a_folder_that_cannot_be_written_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: int
    ) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(trouble, os.strerror(trouble))

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(StorageError, match=os.strerror(trouble)), own(tmp_path, say=quiet):
            pass

    @pytest.mark.skipif(not boot_id(), reason="this system does not say when it was started")
    def test_where_a_boot_has_no_name_the_host_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(owner_file, "boot_id", lambda: "")
        assert Holder.this().is_here()
        assert not replace(Holder.this(), host="far-away").is_here()


class TestWhoComesMeanwhile:
    def test_a_quicker_one_is_seen(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real, quicker, said = owner_file.create_owner_file, [over()], list[str]()

        def create(path: Path, holder: Holder) -> Any:
            if quicker:
                left_by(tmp_path, quicker.pop())
            return real(path, holder)

        monkeypatch.setattr(owner, "create_owner_file", create)
        with own(tmp_path, say=said.append):
            assert [p.name for p in tmp_path.iterdir()] == [".owner-0002"]
        assert len(said) == 1
        assert said[0].endswith(f"is over: this run takes {tmp_path} over")

    def test_a_third_one_that_came_while_this_one_looked_is_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, third, clock = owner_file.create_owner_file, [over()], Time()

        def create(path: Path, holder: Holder) -> Any:
            made = real(path, holder)
            if third:
                left_by(tmp_path, third.pop(), number=2)
            return made

        monkeypatch.setattr(owner, "create_owner_file", create)
        with own(tmp_path, say=quiet, sleep=clock.sleep):
            assert [p.name for p in tmp_path.iterdir()] == [".owner-0003"]
        assert clock.now > 0

    def test_one_that_ends_before_its_file_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, gone = owner_file.owner_numbers, [{5}]
        monkeypatch.setattr(owner, "owner_numbers", lambda at: gone.pop() if gone else real(at))
        with own(tmp_path, say=quiet):
            assert [p.name for p in tmp_path.iterdir()] == [".owner-0001"]

    def test_one_that_ends_before_its_lock_is_tried(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parent, said = replace(Holder.this(), process=os.getppid(), started=""), list[str]()
        path, real = left_by(tmp_path, replace(parent, locked=True)), owner_file.holder_in

        def holder_in(path: Path) -> Holder | None:
            found = real(path)
            path.unlink(missing_ok=True)
            return found

        monkeypatch.setattr(owner, "holder_in", holder_in)
        with own(tmp_path, say=said.append) as mine:
            assert mine.path == path
        assert said == []

    def test_one_that_ends_while_it_is_watched(self, tmp_path: Path) -> None:
        path = left_by(tmp_path, ELSEWHERE, age=30)
        clock = Time(lambda now: path.unlink(missing_ok=True) if now >= 9 else None)
        with own(tmp_path, say=quiet, clock=clock, sleep=clock.sleep) as mine:
            assert mine.path == path
        assert 9 <= clock.now < 10

    def test_one_of_no_name_whose_heart_beats_has_the_folder(self, tmp_path: Path) -> None:
        path = left_by(tmp_path, None, age=30)
        clock = Time(lambda now: os.utime(path) if now >= 9 else None)
        with (
            pytest.raises(SettingsError, match="is in use by another process; wait for its end"),
            own(tmp_path, say=quiet, clock=clock, sleep=clock.sleep),
        ):
            pass

    def test_one_that_was_suspended_may_go_on(self, tmp_path: Path) -> None:
        words = [sys.executable, "-c", "import time; time.sleep(60)"]
        with subprocess.Popen(words) as child:
            child.send_signal(signal.SIGSTOP)
            os.waitpid(child.pid, os.WUNTRACED)
            left_by(tmp_path, replace(Holder.this(), process=child.pid, started=""))
            with (
                pytest.raises(SettingsError, match=rf"\(suspended\); .*kill -CONT {child.pid}"),
                own(tmp_path, say=quiet),
            ):
                pass
            child.kill()

    def test_a_drive_without_room_for_a_probe_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left_by(tmp_path, ELSEWHERE)

        def refuse(*_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "write_bytes", refuse)
        with pytest.raises(StorageError, match="No space left"), own(tmp_path, say=quiet):
            pass

    def test_a_lock_that_this_machine_does_not_see_says_nothing_of_another(
        self, tmp_path: Path
    ) -> None:
        left_by(tmp_path, replace(ELSEWHERE, locked=True), age=500)
        said = list[str]()
        with own(tmp_path, say=said.append):
            pass
        assert "process 12 on far-away" in said[0]
        assert "has been silent for 500 s" in said[0]


class TestAnotherUsersFile:
    @pytest.fixture(autouse=True)
    def unreadable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(Path, "open", refuse)

    def test_says_nothing_of_its_lock(self, tmp_path: Path) -> None:
        assert owner_file.is_unlocked(tmp_path / ".owner-0001") is None

    def test_has_a_heartbeat_all_the_same(self, tmp_path: Path) -> None:
        assert owner_file.touched_at(tmp_path) == tmp_path.stat().st_mtime
        assert owner_file.touched_at(tmp_path / ".owner-0001") is None


class TestWhileItIsOwned:
    def test_one_that_wakes_up_too_late_ends_without_a_save(self, tmp_path: Path) -> None:
        clock = Time()
        with own(tmp_path, say=quiet, clock=clock) as mine:
            clock.now = 100.0
            mine.check()
            left_by(tmp_path, ELSEWHERE, number=2)
            mine.check()  # looked just now
            clock.now = 110.0
            with pytest.raises(StorageError, match=r"process 12 on far-away.* has taken it over"):
                mine.check()
        assert [p.name for p in tmp_path.iterdir()] == [".owner-0002"]  # not ours to remove

    def test_its_heart_beats_by_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(owner, "_BEAT", 0.001)
        with own(tmp_path, say=quiet) as mine:
            os.utime(mine.path, (0, 0))
            for _ in range(5000):
                if mine.path.stat().st_mtime > 1:
                    break
                time.sleep(0.001)
            assert mine.path.stat().st_mtime > 1
            mine.path.unlink()  # somebody tidies up
            for _ in range(5000):
                with contextlib.suppress(OSError):
                    if mine.path.read_bytes() == mine.holder.to_bytes():
                        break
                time.sleep(0.001)
            assert mine.path.exists()

    def test_a_heart_beats_on_where_the_disk_is_away_for_a_moment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[Path] = []

        def fail(path: Path) -> None:
            tried.append(path)
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

        with own(tmp_path, say=quiet) as mine:
            monkeypatch.setattr(os, "utime", fail)
            mine.beat()
            assert tried == [mine.path]
            assert mine.path.read_bytes() == mine.holder.to_bytes()

    def test_a_block_within_a_block_shares_it(self, tmp_path: Path) -> None:
        """As ``escape --continue`` does, which trains the winner in a folder that it owns."""
        with own(tmp_path, say=quiet) as outer:
            with own(tmp_path, say=quiet) as inner:
                assert inner is outer
            assert outer.path.exists()

    def test_it_is_given_back_after_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt), own(tmp_path, say=quiet):
            raise KeyboardInterrupt
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", [b"", b"null", b"{}", b'{"host": 3}', b'{"host": "a", "process": "x"}', b"\xff", b"[]"]
)
def test_what_makes_no_sense_names_nobody(text: bytes) -> None:
    assert Holder.read(text) is None


def test_a_holder_of_any_date_can_be_said() -> None:
    held = Holder.read(b'{"host": "a", "process": 3, "since": 1e300, "locked": "yes"}')
    assert str(held) == "process 3 on a, since 1970-01-01 00:00:00 UTC"
