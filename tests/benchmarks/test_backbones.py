import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import timm

from benchmarks import backbones
from benchmarks.__main__ import main
from benchmarks.backbones import Trial
from decamo.nn import cost
from decamo.nn.cost import FACTS_SIZES, BackboneFacts, shipped_facts

TRIED = "test_vit"
OTHERS = "test_resnet", "test_vit2"


def facts(name: str, parameters: int = 1) -> BackboneFacts:
    return BackboneFacts(name, parameters, (2, 3), (4, 8, 16, 32), "")


@pytest.fixture(autouse=True)
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No network is built; the names that were asked for."""
    names: list[str] = []

    def works(name: str, sizes: Sequence[int] = FACTS_SIZES) -> list[Trial]:
        names.append(name)
        return [Trial(name, size, "", 0.5) for size in sizes]

    monkeypatch.setattr(backbones, "try_backbone", works)
    monkeypatch.setattr(backbones, "facts_of", lambda name: facts(name, parameters=7))
    return names


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "shipped.json"
    monkeypatch.setattr(backbones, "FACTS_FILE", path)
    monkeypatch.setattr(cost, "FACTS_FILE", path)
    ship(path, timm.__version__)
    return path


def ship(path: Path, version: str) -> None:
    rows = [asdict(facts(name)) for name in (*OTHERS, TRIED)]
    path.write_text(json.dumps({"timm": version, "sizes": FACTS_SIZES, "backbones": rows}))


def go(folder: Path, *more: str, only: str = TRIED) -> Any:
    report = folder / "report.json"
    where = ("--results", str(folder / "results.jsonl"), "--json", str(report))
    assert main(["backbones", "--only", only, *where, *more]) == 0
    return [(row["name"], row["size"]) for row in json.loads(report.read_text())["trials"]]


def test_what_was_tried_is_not_tried_again(tmp_path: Path, tried: list[str]) -> None:
    assert go(tmp_path) == [(TRIED, size) for size in FACTS_SIZES] == go(tmp_path)
    assert tried == [TRIED]


@pytest.mark.parametrize("left", [1, 30])
def test_a_line_that_was_cut_is_tried_again(left: int, tmp_path: Path, tried: list[str]) -> None:
    go(tmp_path)
    results = tmp_path / "results.jsonl"
    first, second = results.read_bytes().splitlines(keepends=True)
    results.write_bytes(first + second[:left])
    for _ in range(2):  # no line is glued to the rest of the cut one
        assert go(tmp_path) == [(TRIED, size) for size in FACTS_SIZES]
    assert tried == [TRIED] * 2


def test_results_of_lines_without_a_kind_are_read(tmp_path: Path, tried: list[str]) -> None:
    lines = [json.dumps(asdict(Trial(TRIED, size, "", 0.5))) for size in FACTS_SIZES]
    (tmp_path / "results.jsonl").write_text("\n".join(lines) + "\n")
    assert go(tmp_path) == [(TRIED, size) for size in FACTS_SIZES]
    assert not tried


def test_some_names_leave_what_is_shipped_of_others(tmp_path: Path, shipped: Path) -> None:
    go(tmp_path, "--write")
    assert shipped_facts() == {
        **{name: facts(name) for name in OTHERS},
        TRIED: facts(TRIED, parameters=7),
    }
    names = [row["name"] for row in json.loads(shipped.read_text())["backbones"]]
    assert names == sorted(names)


def test_a_limit_leaves_what_is_shipped_of_the_rest(tmp_path: Path, shipped: Path) -> None:
    go(tmp_path, "--write", "--limit", "-1", only="*")
    assert set(shipped_facts()) == {*OTHERS, TRIED}


def test_a_name_that_fails_now_is_shipped_no_more(
    tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        backbones, "try_backbone", lambda name: [Trial(name, s, "broken", 0.5) for s in FACTS_SIZES]
    )
    go(tmp_path, "--write")
    assert set(shipped_facts()) == set(OTHERS)


def test_what_another_timm_gave_is_not_kept(tmp_path: Path, shipped: Path) -> None:
    ship(shipped, "0.1")
    go(tmp_path, "--write")
    assert set(shipped_facts()) == {TRIED}
