import ctypes
import errno
import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import decamo
from decamo import system
from decamo.system import (
    Process,
    clean_context,
    file_name,
    ignore_stop_signals,
    lock,
    process,
    replace,
    stop_signals,
    sync_folder,
)

SOURCE = str(Path(decamo.__file__).parents[1])


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        yield running
        running.kill()


class TestProcess:
    def test_one_that_runs_has_a_start_of_its_own(self, child: subprocess.Popen[bytes]) -> None:
        found = process(child.pid)

        assert found is not None
        assert found == process(child.pid)
        assert found.started
        assert found.started != getattr(process(1), "started", "")

    def test_one_that_was_stopped_is_there(self, child: subprocess.Popen[bytes]) -> None:
        child.send_signal(signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        found = process(child.pid)
        child.send_signal(signal.SIGCONT)

        assert found is not None
        assert found.suspended

    def test_one_that_is_over_is_not_even_before_it_is_buried(
        self, child: subprocess.Popen[bytes]
    ) -> None:
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie still

        assert process(child.pid) is None
        child.wait()
        assert process(child.pid) is None

    @pytest.mark.parametrize("number", [0, -1, 2**22 + 1, 2**70])
    def test_there_is_none_of_such_a_number(self, number: int) -> None:
        assert process(number) is None

    def test_one_that_cannot_be_looked_at_counts_as_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def hidden(*_: object, **__: object) -> str:
            raise PermissionError

        monkeypatch.setattr(Path, "read_text", hidden)  # /proc with hidepid
        assert process(os.getpid()) == Process(os.getpid())


class TestFolders:
    @pytest.mark.parametrize(
        "refusal", [errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP, errno.EISDIR]
    )
    @pytest.mark.parametrize("what", ["open", "fsync"])
    def test_one_that_cannot_be_synced_is_no_trouble(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, refusal: int
    ) -> None:
        def refuse(*_: object) -> int:
            raise OSError(refusal, os.strerror(refusal))

        monkeypatch.setattr(os, what, refuse)
        sync_folder(tmp_path)

    @pytest.mark.parametrize("trouble", [errno.EIO, errno.ENOSPC, errno.ESTALE])
    def test_a_broken_disk_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: int
    ) -> None:
        def fail(_: int) -> None:
            raise OSError(trouble, os.strerror(trouble))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=os.strerror(trouble)):
            sync_folder(tmp_path)


class TestReplace:
    @pytest.mark.parametrize("times", [1, 5, 9])
    def test_is_tried_again_on_windows_while_somebody_reads(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
    ) -> None:
        left, real, slept = [times], Path.replace, list[float]()

        def refuse(source: Path, path: Path) -> Path:
            left[0] -= 1
            if left[0] >= 0:
                raise PermissionError(errno.EACCES, "The process cannot access the file")
            return real(source, path)

        monkeypatch.setattr(Path, "replace", refuse)
        monkeypatch.setattr(system, "_WINDOWS", True)
        new, old = tmp_path / "new", tmp_path / "old"
        new.write_text("new")
        old.write_text("old")
        replace(new, old, slept.append)
        assert old.read_text() == "new"
        assert len(slept) == times

    @pytest.mark.parametrize("windows", [True, False])
    def test_gives_up_in_the_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: bool
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError

        slept: list[float] = []
        monkeypatch.setattr(Path, "replace", refuse)
        monkeypatch.setattr(system, "_WINDOWS", windows)
        with pytest.raises(PermissionError):
            replace(tmp_path, tmp_path, slept.append)
        assert len(slept) == (9 if windows else 0)


class TestLock:
    def test_one_holder_until_it_closes(self, tmp_path: Path) -> None:
        path = tmp_path / "lock"
        with path.open("ab") as first, path.open("ab") as second:
            assert lock(first) is True
            assert lock(second) is False
            first.close()
            assert lock(second) is True

    def test_a_file_system_without_locks_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", none)
        with (tmp_path / "lock").open("ab") as file:
            assert lock(file) is None

    @pytest.mark.parametrize(("error", "held"), [(None, True), (13, False), (33, None)])
    def test_windows_locks_a_byte_that_nobody_reads(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int | None, held: bool | None
    ) -> None:
        at: list[int] = []

        def locking(descriptor: int, mode: int, length: int) -> None:
            at.append(os.lseek(descriptor, 0, os.SEEK_CUR))
            if error is not None:
                raise OSError(error, "locked")

        monkeypatch.setattr(system, "fcntl", None)
        monkeypatch.setattr(system, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
        path = tmp_path / "lock"
        with path.open("wb") as file:
            assert lock(file) is held
        assert at[0] > 2**20
        assert path.read_bytes() == b""


class TestSignals:
    def test_a_worker_outlives_all_that_ask_its_group_to_stop(self) -> None:
        pid = os.fork()
        if not pid:
            ignore_stop_signals()
            for number in stop_signals():
                os.kill(os.getpid(), number)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7

    def test_windows_knows_fewer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"):
            monkeypatch.delattr(signal, name)
        monkeypatch.setattr(signal, "SIGBREAK", signal.SIGABRT, raising=False)

        assert stop_signals() == (signal.SIGINT, signal.SIGTERM, signal.SIGABRT)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("COD10K-v3/COD10K-CAM-1", "COD10K-v3-COD10K-CAM-1"),
        ("set\\a:b?", "set-a-b-"),
        ("aux", "aux_"),
        ("Con.jpg", "Con_.jpg"),
        ("com1", "com1_"),
        ("console", "console"),
        ("x. ", "x_"),
        ("a\nb", "a-b"),
        ("", "_"),
        ("ü-中", "ü-中"),
    ],
)
def test_a_file_name_is_one_everywhere(name: str, made: str) -> None:
    assert file_name(name) == made


def test_without_a_fork_server_processes_are_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert clean_context().get_start_method() == "forkserver"
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])

    assert clean_context(["decamo.errors"]).get_start_method() == "spawn"


class _Kernel:
    """As much of ``kernel32`` as is asked: processes that run, are over, or belong to others."""

    def __init__(self) -> None:
        self.OpenProcess: Any = lambda how, inherit, number: number if number in (4, 8) else 0
        self.GetCurrentProcess: Any = lambda: 4
        self.CloseHandle: Any = lambda handle: 1

    def GetExitCodeProcess(self, handle: Any, code: Any) -> int:  # noqa: N802
        code._obj.value = 259 if handle.value == 4 else 0
        return 1

    def GetProcessTimes(self, handle: Any, *times: Any) -> int:  # noqa: N802
        times[0]._obj[0] = 133_000_000_000_000_000
        return 1

    def K32GetProcessMemoryInfo(self, handle: Any, counters: Any, size: int) -> int:  # noqa: N802
        counters._obj.sizes[0] = 12_345
        return 1


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_WINDOWS", True)
    monkeypatch.setattr(system, "resource", None)
    monkeypatch.setattr(system, "_kernel", _Kernel)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: 87, raising=False)


def test_windows_asks_its_kernel_and_never_sends_ctrl_c(
    windows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise AssertionError("os.kill(n, 0) is Ctrl-C there")

    monkeypatch.setattr(os, "kill", killed)
    assert process(4) == Process(4, "133000000000000000")
    assert process(8) is None
    assert process(12) is None
    monkeypatch.setattr(ctypes, "get_last_error", lambda: 5)
    assert process(12) == Process(12)


def test_the_kernels_handles_are_as_wide_as_a_pointer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        def __init__(self, name: str, *, use_last_error: bool) -> None:
            assert (name, use_last_error) == ("kernel32", True)
            self.OpenProcess, self.GetCurrentProcess = SimpleNamespace(), SimpleNamespace()

    monkeypatch.setattr(ctypes, "WinDLL", Library, raising=False)
    kernel = system._kernel()
    kinds = [kernel.OpenProcess.restype, kernel.GetCurrentProcess.restype]
    assert kinds == [ctypes.c_void_p] * 2


class TestSystemsWithoutProc:
    """As macOS: what a process and a boot are is asked of programs."""

    @pytest.fixture(autouse=True)
    def darwin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(system, "_SYSTEM", "darwin")

        def missing(*_: object, **__: object) -> None:
            raise FileNotFoundError(2, "no /proc")

        monkeypatch.setattr(Path, "read_text", missing)
        monkeypatch.setattr(Path, "readlink", missing)

    def test_a_start_is_asked_of_ps(self, child: subprocess.Popen[bytes]) -> None:
        found = process(child.pid)
        assert found == process(child.pid)
        assert found is not None
        assert len(found.started.split()) == 5  # Sun Nov 29 12:51:43 2026
        child.kill()
        child.wait()
        assert process(child.pid) is None

    @pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.TimeoutExpired("ps", 10)])
    def test_without_an_answer_nothing_is_known(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(subprocess, "run", fail)
        assert process(os.getpid()) == Process(os.getpid())
        assert (system.boot_id(), system.pid_space()) == ("", "")

    def test_a_boot_is_asked_of_sysctl(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[list[str]] = []

        def run(words: list[str], **_: object) -> SimpleNamespace:
            asked.append(words)
            return SimpleNamespace(stdout=b"7B2C-11\n")

        monkeypatch.setattr(subprocess, "run", run)
        assert system.boot_id() == "7B2C-11"
        assert asked == [["sysctl", "-n", "kern.bootsessionuuid"]]
        monkeypatch.setattr(system, "_SYSTEM", "linux")
        assert system.boot_id() == ""
        assert len(asked) == 1


def test_a_process_of_another_user_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    assert process(os.getpid()) is not None


@pytest.mark.parametrize("text", ["", "1 (a) S 1", "4 (x) y) Z " + "0 " * 30])
def test_what_the_kernel_says_may_be_short(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert process(os.getpid()) == (None if " Z " in text else Process(os.getpid()))


def test_where_nobody_says_which_cores_are_ours_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert system.cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert system.cores() == 1


def test_a_thread_leaves_signals_alone() -> None:
    before = [signal.getsignal(number) for number in stop_signals()]
    one = threading.Thread(target=ignore_stop_signals)
    one.start()
    one.join()
    assert [signal.getsignal(number) for number in stop_signals()] == before


def test_a_folder_that_is_gone_cannot_be_synced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "none")


def test_torchrun_is_told_in_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    system.tell_torchrun("the budget is spent")
    told = json.loads((tmp_path / "error.json").read_text())
    assert told["message"]["message"] == "the budget is spent"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "none" / "error.json"))
    system.tell_torchrun("the budget is spent")  # torchrun then says less
    assert [path.name for path in tmp_path.iterdir()] == ["error.json"]


def test_peak_memory_is_in_bytes(windows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert system.peak_memory() == 12_345
    monkeypatch.undo()
    assert system.peak_memory() > 2**20


def test_there_is_a_boot_and_a_core() -> None:
    assert system.cores() >= 1
    assert system.boot_id() == system.boot_id()


@pytest.mark.long
def test_a_whole_run_where_windows_differs(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONPATH": SOURCE}
    environment |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    small = ["--backbone", "test_efficientnet", "--no-pretrained", "--img-size", "64",
             "--skip-stage1", "--num-workers", "2", "--batch-size", "4"]  # fmt: skip
    train = ["train", "--dataset-path", "s", "--checkpoint-dir", "run", *small, "--resume", "auto"]
    for words in (
        ["data", "make-scenes", "s", "--train", "24", "--test", "4", "--size", "64"],
        [*train, "--epochs", "2", "--dry-run"],
        [*train, "--epochs", "2", "--cache", "disk"],
        ["plan", "--resume-from", "run/last.pth", "--dataset-path", "s", "--epochs", "4"],
        ["evaluate", "run/best_model.pth", "--dataset-path", "s", "--workers", "2"],
        ["predict", "run/best_model.pth", "s/Test/Image", "--out", "maps"],
        ["diagnose", "run"],
        ["report", "run"],
        ["data", "audit", "s", "--html", "audit.html"],
    ):
        program = [sys.executable, str(Path(__file__).with_name("like_windows.py")), *words]
        done = subprocess.run(
            program, cwd=tmp_path, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, (words, done.stderr.decode("cp1252"))
        assert b"Traceback" not in done.stderr
        assert done.stdout.decode("cp1252")
    assert not list((tmp_path / "run").glob(".owner*"))
