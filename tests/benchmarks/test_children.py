import sys
from pathlib import Path

import pytest

from benchmarks.children import output_of
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
