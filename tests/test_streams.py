import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import decamo
from decamo.cli import COMMANDS, main
from decamo.streams import lasting_streams, printable

SOURCE = str(Path(decamo.__file__).parents[1])
PLAN = [sys.executable, "-m", "decamo.cli", "plan", "--images", "80"]

# Prints fifteen hundred lines as a long piece of work does, then says how it went in a file.
LONG = """
import sys
from decamo.streams import lasting_streams
with lasting_streams("the run goes on") as streams:
    for number in range(1500):
        print("line", number, "." * 60)
    sys.stderr.write("a warning\\n")
open(sys.argv[1], "w").write(f"{number} {streams.exit_code(0)}")
"""


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"} | more


def shell(line: str, *, cwd: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", line], cwd=cwd, env=environment(**more), capture_output=True, check=False
    )


@pytest.fixture
def long(tmp_path: Path) -> str:
    (tmp_path / "long.py").write_text(LONG, encoding="utf-8")
    return f"{sys.executable} long.py done"


class TestALongPieceOfWork:
    @pytest.mark.parametrize(
        ("how", "why"),
        [
            ("{} | head -1", "Broken pipe"),
            ("{} | true", "Broken pipe"),
            ("{} | tee /dev/full >/dev/null", ""),
            ("{} >/dev/full", "No space left on device"),
            ("{} >&-", "closed from the start"),
            ("{} >&- <&-", "closed from the start"),
            ("{} 1</dev/null", "Bad file descriptor"),
            # not even what measures coverage may write a larger file
            ("(ulimit -f 8; env -u COVERAGE_PROCESS_CONFIG {} >log)", "File too large"),
            ("script -qec '{}' log >/dev/null", ""),
        ],
    )
    def test_goes_on_without_its_output_and_says_so(
        self, how: str, why: str, long: str, tmp_path: Path
    ) -> None:
        done = shell(how.format(long), cwd=tmp_path)

        assert (tmp_path / "done").read_text() == "1499 0"
        said = done.stderr.decode()
        assert "Traceback" not in said
        assert "Exception ignored" not in said
        if why:
            assert f"decamo: standard output is lost ({why}); the run goes on\n" in said
            assert said.count("is lost") == 1
            assert "decamo:   line 1499 .." in said  # its last words

    @pytest.mark.parametrize("how", ["2>/dev/full", "2>&-", "2>&1 >/dev/null | true; sleep 0.1"])
    def test_says_on_standard_output_what_standard_error_cannot(
        self, how: str, long: str, tmp_path: Path
    ) -> None:
        done = shell(f"{long} {how}", cwd=tmp_path)

        assert (tmp_path / "done").read_text() == "1499 0"
        assert ("a warning\n" in done.stdout.decode()) == ("null" not in how)

    @pytest.mark.parametrize("how", [">&- 2>&- <&-", ">/dev/full 2>&1", "2>&1 | true; sleep 0.1"])
    def test_goes_on_with_neither(self, how: str, long: str, tmp_path: Path) -> None:
        shell(f"{long} {how}", cwd=tmp_path)

        assert (tmp_path / "done").read_text() == "1499 0"

    def test_a_file_opened_later_is_never_taken_for_standard_output(self, tmp_path: Path) -> None:
        code = (
            "import os\nfrom decamo.streams import lasting_streams\n"
            "with lasting_streams('x'):\n"
            " file = open('checkpoint', 'wb', buffering=0); file.write(b'weights')\n"
            " os.system('echo from a C library; echo another >&2')"
        )
        (tmp_path / "code.py").write_text(code)
        shell(f"{sys.executable} code.py >&- 2>&- <&-", cwd=tmp_path)

        assert (tmp_path / "checkpoint").read_bytes() == b"weights"

    def test_a_reader_that_stands_still_holds_it_up_once(
        self, long: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = tmp_path / "long.py"
        script.write_text("import decamo.streams as s\ns._WAIT = 50\n" + LONG)
        reader, writer = os.pipe()
        words = [*long.split()]
        with subprocess.Popen(words, stdout=writer, cwd=tmp_path, env=environment()) as process:
            os.close(writer)
            assert process.wait(60) == 0  # nobody has read a byte
            text = os.read(reader, 2**20).decode()
            os.close(reader)
        assert (tmp_path / "done").read_text() == "1499 0"
        assert text.startswith("line 0 ..")

    def test_a_terminal_that_does_not_wait_is_made_to(self, tmp_path: Path) -> None:
        code = (
            "import os, sys\nfrom decamo.streams import lasting_streams\n"
            "with lasting_streams():\n"
            " os.set_blocking(1, False)\n"
            " for number in range(3000): print('x' * 60)\n"
        )
        (tmp_path / "code.py").write_text(code)
        done = shell(f"{sys.executable} code.py | (sleep 0.3; wc -l)", cwd=tmp_path)
        assert done.stderr == b""
        assert int(done.stdout) > 2900  # what stood in the buffer at that moment may be cut


class TestAnAnswer:
    @pytest.mark.parametrize(
        ("how", "code", "why"),
        [
            (">/dev/full", 2, "standard output: No space left on device; the answer is lost"),
            (">&-", 0, ""),
            ("| true; exit ${PIPESTATUS[0]}", 0, ""),
            ("2>&-", 0, ""),
            ("2>/dev/full", 0, ""),
            ("<&-", 0, ""),
        ],
    )
    def test_ends_with_2_where_it_was_wanted_and_lost(
        self, how: str, code: int, why: str, tmp_path: Path
    ) -> None:
        done = shell(" ".join(PLAN) + " " + how, cwd=tmp_path)

        assert done.returncode == code
        said = done.stderr.decode()
        assert why in said
        assert said.count("\n") == bool(why)

    def test_a_mistake_keeps_its_code_without_a_stream_to_explain_it(self, tmp_path: Path) -> None:
        done = shell(" ".join(PLAN) + " --min-lr 1 >&- 2>/dev/full", cwd=tmp_path)

        assert done.returncode == 2


ENCODINGS = ["cp1252", "ascii", "latin-1", "cp437", "cp932", "koi8-r", "utf-16", "utf-7", "gb18030"]


class TestEncodings:
    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_all_that_we_print_can_be_printed(self, encoding: str) -> None:
        text = "◀ ━╸─ … → ↓↑ 中文 ü \udcff \N{SNAKE} ±"
        said = printable(text, encoding)

        assert said.encode(encoding)
        if encoding == "ascii":
            assert said == "< --- ... -> v^ \\u4e2d\\u6587 \\xfc \\udcff \\U0001f40d +-"

    def test_what_an_encoding_has_stays(self) -> None:
        assert printable("naïve … “x”", "cp1252") == "naïve … “x”"
        assert printable("中文 ◀", "utf-8") == "中文 ◀"

    def test_an_encoding_that_nobody_knows_gets_what_prints_everywhere(self) -> None:
        assert printable("◀ ü", "klingon") == "< \\xfc"

    @pytest.mark.parametrize("encoding", ["cp1252:strict", "ascii:strict", "utf-16", "latin-1"])
    def test_a_plan_in_any_encoding(self, encoding: str, tmp_path: Path) -> None:
        done = subprocess.run(
            PLAN,
            cwd=tmp_path,
            env=environment(PYTHONIOENCODING=encoding),
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert "< you are here" in done.stdout.decode(encoding.partition(":")[0]).replace("◀", "<")

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command_under_a_locale_without_letters(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii", errors="strict"))
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        assert f"usage: decamo {name}" in raw.getvalue().decode("ascii")


def test_streams_are_put_back_and_may_be_asked_for_anything() -> None:
    before = sys.stdin, sys.stdout, sys.stderr
    with lasting_streams():
        assert sys.stdout is not before[1]
        assert sys.stdout.encoding == before[1].encoding
        assert sys.stdout.isatty() == before[1].isatty()
    assert (sys.stdin, sys.stdout, sys.stderr) == before


def test_a_disk_with_room_again_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk(io.StringIO):
        full = False

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(text)

    disk = Disk()
    monkeypatch.setattr(sys, "stdout", disk)
    with lasting_streams("on") as streams:
        sys.stdout.write("one\n")
        disk.full = True
        sys.stdout.write("two\n")
        disk.full = False
        sys.stdout.write("three\n")
    assert disk.getvalue() == "one\nthree\n"
    assert streams.exit_code(75) == 75
