import sys
from pathlib import Path

import pytest

from benchmarks.children import fresh_bytecode, output_of, timed
from decamo.errors import DecamoError, MissingExtra, SettingsError

PYTHON = Path(sys.executable)


def _fails(code: int) -> list[str]:
    return ["-c", f"import sys; print('first\\nlast', file=sys.stderr); sys.exit({code})"]


def test_what_a_program_prints() -> None:
    assert output_of(PYTHON, ["-c", "print(7)"]) == "7\n"


def test_a_missing_package_is_told_from_other_failures_by_the_exit_code() -> None:
    with pytest.raises(MissingExtra, match=r"lacks a package \(last\)"):
        output_of(PYTHON, _fails(3))
    with pytest.raises(DecamoError, match="ended with code 1: last") as failed:
        output_of(PYTHON, _fails(1))
    assert not isinstance(failed.value, MissingExtra)
    assert "\n" not in str(failed.value)


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--reference-python.*nowhere"):
        output_of(tmp_path / "nowhere", [])


def test_processes_run_this_checkout_and_keep_bytecode_where_nobody_else_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("OTHER", "as it was")
    with fresh_bytecode() as environment:
        assert list(Path(environment["PYTHONPYCACHEPREFIX"]).iterdir()) == []
        assert environment["OTHER"] == "as it was"
        assert "PYTHONDONTWRITEBYTECODE" not in environment
        assert (Path(environment["PYTHONPATH"]) / "decamo" / "cli.py").exists()
        found = "import os, sys; sys.exit(os.environ['PYTHONPATH'] not in sys.path)"
        assert timed([sys.executable, "-c", found], environment).mib > 1


def test_a_timed_command_that_fails_says_its_last_word() -> None:
    with pytest.raises(DecamoError, match="ended with code 5: last"):
        timed([sys.executable, *_fails(5)], {})
