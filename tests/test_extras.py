"""Heavy imports: nobody looks for garbage while they run, and everybody does after them."""

import gc
import importlib
import subprocess
import sys
from typing import Any

import pytest

from decamo import cli
from decamo.extras import heavy_imports


def test_collection_comes_back_whatever_happens() -> None:
    def within() -> None:
        with heavy_imports():
            assert not gc.isenabled()
            raise ImportError

    with pytest.raises(ImportError):
        within()
    assert gc.isenabled()


def test_who_has_switched_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with heavy_imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_command_is_imported_so_and_runs_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, bool] = {}
    real = importlib.import_module

    def imported(name: str, package: str | None = None) -> Any:
        module = real(name, package)
        if name == "decamo.commands.completion":
            seen["imported"] = gc.isenabled()
            monkeypatch.setattr(module, "run", lambda _: seen.update(run=gc.isenabled()) or 0)
        return module

    monkeypatch.setattr("decamo.cli.importlib.import_module", imported)
    assert cli.main(["completion", "bash"]) == 0
    assert seen == {"imported": False, "run": True}


def _said(code: str) -> list[str]:
    """What code prints in a process of its own: pytest's has objects that are frozen."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_what_was_made_counts_as_old_where_modules_were_imported() -> None:
    code = """
import gc
from decamo.extras import heavy_imports

for more in ("", "import wave"):
    with heavy_imports():
        made = [[number] for number in range(100)]
        exec(more)
    young = {id(one) for one in gc.get_objects(generation=0)}
    print(len(young & {id(one) for one in made}))
"""
    assert _said(code) == ["100", "0"]


def test_what_somebody_froze_stays_frozen() -> None:
    code = """
import gc
from decamo.extras import heavy_imports

kept = [[number] for number in range(100)]
gc.freeze()
with heavy_imports():
    import wave
print(gc.get_freeze_count() > 100)
"""
    assert _said(code) == ["True"]
