import importlib
import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.albumentations_way import main


def test_missing_packages_are_told_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert main(["32"]) == 3
    assert "cv2" in capsys.readouterr().err


def test_each_line_asked_is_answered_with_seconds_of_one_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read: list[str] = []

    class Stand:
        """Stands in for either package: whatever is asked of it is there."""

        def imread(self, path: str, *_: Any) -> str:
            read.append(path)
            return path

        def __getattr__(self, name: str) -> Any:
            return lambda *_args, **_words: lambda **_: SimpleNamespace()

    monkeypatch.setattr(importlib, "import_module", lambda name: Stand())
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n2\n"))
    assert main(["32", "a.jpg", "a.png", "b.jpg", "b.png"]) == 0
    answers = [float(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == 2
    assert min(answers) >= 0
    assert read == ["a.jpg", "a.png", "b.jpg", "b.png"] * 2
