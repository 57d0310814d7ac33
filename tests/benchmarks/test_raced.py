"""What the bench of races does; what it times is never asserted."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import raced
from benchmarks.__main__ import main
from decamo.settings import TrainSettings


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--branches", "3"), "--branches: got 3; give at least 4"),
        (("--workers", "1", "0"), "--workers: got 0; give at least 1"),
        (("--processes", "0"), "--processes: got 0; give at least 1"),
    ],
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    assert main(["raced", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(600)
def test_all_ways_train_as_many_epochs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--work", str(tmp_path / "work"), "--json", str(tmp_path / "report.json")]
    small = ["--branches", "4", "--trial-epochs", "2", "--images", "20", "--img-size", "32"]
    assert main(["raced", *words, *small]) == 0
    ways = json.loads((tmp_path / "report.json").read_text())["ways"]
    assert {way["name"]: way["epochs"] for way in ways} == {
        "1 plain process": 8, "2 plain processes": 8, "Ray, 1 worker": 8, "Ray, 2 workers": 8,
    }  # fmt: skip
    assert "2 plain processes" in capsys.readouterr().out


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_one_process_is_one_way_and_all_have_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[tuple[str, int, int]] = []

    def way(kind: str) -> Callable[..., raced._Way]:
        def train(_args: object, _settings: object, many: int) -> raced._Way:
            made.append((kind, many, torch.get_num_threads()))
            return raced._Way(f"{many} {kind}", 8.0 / many, 8)

        return train

    monkeypatch.setattr(raced, "_prepare", lambda *_: way("base")(None, None, 1))
    monkeypatch.setattr(raced, "_plain", way("plain"))
    monkeypatch.setattr(raced, "_on_ray", way("ray"))
    words = ["raced", "--work", str(tmp_path / "work"), "--workers", "1"]
    assert main([*words, "--processes", "1"]) == 0
    assert made == [("base", 1, 1), ("plain", 1, 1), ("ray", 1, 1)]
    assert "of 1 plain" in capsys.readouterr().out
    made.clear()
    assert main([*words, "--processes", "2"]) == 0
    assert made == [("base", 1, 1), ("plain", 1, 1), ("plain", 2, 1), ("ray", 1, 1)]
    assert "of 2 plain" in capsys.readouterr().out


@pytest.mark.usefixtures("two_threads")
def test_a_process_that_trains_a_part_has_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    monkeypatch.setattr(raced, "_course", lambda *_: threads.append(torch.get_num_threads()))
    monkeypatch.setattr(raced, "open_race", lambda *_: threads.append(torch.get_num_threads()))
    raced._train_part(TrainSettings(), 2, tmp_path, ())
    assert threads == [1, 1]
