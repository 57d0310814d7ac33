import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from decamo import __version__, cli
from decamo.cli import COMMANDS, main
from decamo.errors import SettingsError

ROOT = Path(__file__).parents[1]
PLAN = ("plan", "--images", "80")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["-h"], ["help"]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert all(f"  {name}" in out and summary in out for name, summary in COMMANDS.items())


def test_every_command_is_a_file_and_every_file_a_command() -> None:
    files = {p.stem for p in (ROOT / "src/decamo/commands").glob("*.py")} - {"__init__"}

    assert files == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])

    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert f"usage: decamo {name}" in said
    # a flag has one default, or says in words what happens without it
    assert "default )" not in " ".join(said.split())
    assert not re.search(r"default[^()]*\) \([^()]*default", " ".join(said.split()))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"decamo {__version__}\n"


def test_nothing_shows_the_usage_and_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: decamo COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["fly"], "fly"),
        (["--frob"], "--frob"),
        (["plan", "--frob"], "--frob"),
        (["plan", "--epochs", "many"], "--epochs"),
        (["plan", "--images"], "--images"),
        ([*PLAN, "--min-lr", "1"], "--min-lr"),
        ([*PLAN, "--stage1-epochs", "120"], "--stage1-epochs"),
        ([*PLAN, "--resume-from", "nowhere/x.pth"], "nowhere/x.pth"),
        ([*PLAN, "--config", "nowhere.toml"], "nowhere.toml"),
        (["plan"], "--dataset-path"),
        (["train"], "--dataset-path"),
        (["evaluate", "nowhere.pth", "--dataset-path", "x"], "--dataset-path"),
        (["evaluate"], "decamo evaluate"),
        (["bench"], "bench"),
        (["completion"], "decamo completion"),
        (["completion", "ksh"], "shell"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_2(
    capsys: pytest.CaptureFixture[str], words: list[str], named: str
) -> None:
    assert main(words) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith(f"decamo: {named}: ")
    assert "; " in err
    assert "Traceback" not in err


def test_a_path_that_the_system_refuses_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "n" * 300, "--dataset-path", "x"]
    assert main(words) == 2
    assert capsys.readouterr().err.endswith(
        "File name too long; see whether it is spelt right and may be read\n"
    )
    with pytest.raises(OSError, match="too long"):
        main([*words, "--debug"])


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsError):
        main([*PLAN, "--min-lr", "1", "--debug"])
    with pytest.raises(SettingsError):
        main(["--debug", "fly"])


def test_debug_changes_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", "--debug"]) == 0


def test_plan_of_option_1_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PLAN, "--recipe", "conservative"]) == 0

    out, err = capsys.readouterr()
    assert out.count("you are here") == 1
    assert err == ""


def test_ctrl_c_is_130_and_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.Program, "_dispatch", interrupt)

    assert main(["train"]) == 130
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_bug_is_not_dressed_up_as_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(cli.Program, "_dispatch", bug)

    with pytest.raises(ZeroDivisionError):
        main(["train"])


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """In a fresh interpreter, from another folder, without an installed package in the way."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *words],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
    )


def test_the_entry_point_of_the_action_plan_runs() -> None:
    done = run(str(ROOT / "train_ultimate.py"), "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: decamo COMMAND" in done.stdout


def test_the_entry_point_takes_the_action_plans_flags(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The whole of Option 1; its paths are not here, and that is all it complains about.
    words = shlex.split("""train --dataset-path /kaggle/input/cod10k-dataset/COD10K-v3
        --checkpoint-dir /nowhere/checkpoints --resume-from /nowhere/checkpoints/best_model.pth
        --skip-stage1 --backbone edgenext_base --num-experts 7 --batch-size 2
        --stage2-batch-size 1 --accumulation-steps 4 --img-size 384 --epochs 120
        --stage1-epochs 30 --lr 0.00025 --stage2-lr 0.0002 --scheduler cosine --min-lr 0.00001
        --progressive-unfreeze --deep-supervision --num-workers 4""")
    monkeypatch.setattr(sys, "argv", ["train_ultimate.py", *words])
    monkeypatch.setattr(sys, "path", list(sys.path))

    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(ROOT / "train_ultimate.py"), run_name="__main__")

    err = capsys.readouterr().err
    assert caught.value.code == 2
    assert err.startswith("decamo: /nowhere/checkpoints/best_model.pth: No such file")
    assert len(err.splitlines()) == 1


def test_help_does_not_wait_for_torch() -> None:
    done = run(
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); from decamo.cli import main;"
        " main(['--help']); print('torch' in sys.modules)",
    )

    assert done.stdout.splitlines()[-1] == "False"


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); import decamo.cli as c\n"
        "c.Program._dispatch = lambda _self, words: print('x' * 10**6) or 0\n"
        "sys.exit(c.main([]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        err = process.stderr.read()

    assert (process.returncode, err) == (0, b"")


def bash_completes(script: Path, *words: str) -> list[str]:
    """What bash offers behind ``words``, by the script itself."""
    ask = f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
    done = subprocess.run(
        ["bash", "-c", ask + '_shtab_decamo; printf "%s\\n" "${COMPREPLY[@]}"'],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_shell_completes_commands_flags_choices_and_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out)
    checkpoint = tmp_path / "best_model.pth"
    checkpoint.touch()

    assert bash_completes(script, "decamo", "ev") == ["evaluate"]
    assert "--backbone-lr-ratio" in bash_completes(script, "decamo", "train", "--backbone-lr")
    assert "cosine" in bash_completes(script, "decamo", "train", "--scheduler", "''")
    beginning = str(tmp_path / "best")
    assert str(checkpoint) in bash_completes(script, "decamo", "plan", "--resume-from", beginning)
