import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.ablation_elsewhere import rows_elsewhere
from benchmarks.ablation_rows import BASE
from benchmarks.quality_train import Ground
from decamo.cluster.tasks import Place
from decamo.data.scenes import write_scenes
from decamo.training.runtime import Runtime
from tests.benchmarks.conftest import MakeGround
from tests.cluster.pickled import far_away

ASKED = ["1 expert", "best expected IoU", "image of 3/4"]


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    work = tmp_path_factory.mktemp("ablation")
    scenes = work / "scenes"  # few, as six networks are trained on them
    write_scenes(scenes, train=6, test=4, size=64, noncam_share=0.0, seed=1,
                 on_progress=lambda _done, _of: None)  # fmt: skip
    return [
        *("--dataset-path", str(scenes), "--work", str(work / "work")),
        *("--json", str(work / "report.json"), "--backbone", "test_efficientnet"),
        *("--epochs", "1", "--img-size", "96", "--rounds", "1", "--seeds", "2"),
        *("--num-workers", "0", "--device", "cpu", "--rows", *ASKED),
    ]


@pytest.fixture(scope="module")
def done(flags: list[str]) -> dict[str, Any]:
    assert main(["ablation", *flags]) == 0
    report = json.loads(Path(flags[flags.index("--json") + 1]).read_text())
    return {row["name"]: row for row in report["rows"]}


@pytest.mark.long
def test_each_row_is_trained_with_each_seed_and_compared_with_the_base(
    done: dict[str, Any], flags: list[str]
) -> None:
    assert list(done) == ["base", *ASKED]
    assert all([run["told"]["seed"] for run in row["runs"]] == [0, 1] for row in done.values())
    assert done["base"]["gaps"] == []
    for name in ASKED:
        (gap,) = done[name]["gaps"]
        assert (gap["ours"], gap["peer"], gap["seeds"], gap["images"]) == (name, "base", 2, 4)
        assert gap["low"] <= gap["difference"] <= gap["high"]
    assert done["base"]["runs"][0]["sets"] != done["1 expert"]["runs"][0]["sets"]
    folders = [p for p in Path(flags[flags.index("--work") + 1]).iterdir() if p.is_dir()]
    assert len(folders) == 6  # rows that only look otherwise train nothing of their own


def test_what_changes_is_what_the_row_says(done: dict[str, Any]) -> None:
    told = {name: row["runs"][0]["told"] for name, row in done.items()}
    assert told["1 expert"]["model"]["num_experts"] == 1
    assert told["image of 3/4"]["schedule"]["img_size"] == 64
    assert told["best expected IoU"]["decision"] == "iou"
    assert told["best expected IoU"]["network"] == told["base"]["network"]
    assert done["1 expert"]["cost"]["flops"] < done["base"]["cost"]["flops"]


def test_the_same_command_prints_the_same_table(
    done: dict[str, Any], flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablation", *flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| changed |")
    assert [line.split("|")[2].strip() for line in lines[2:6]] == ["base", *ASKED]


@pytest.mark.long
def test_elsewhere_the_rows_have_the_same_scores(
    done: dict[str, Any], flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain command after it finds all done, and prints."""

    @contextmanager
    def place(*_: object, **__: object) -> Iterator[Place]:
        yield far_away

    monkeypatch.setattr("benchmarks.ablation.place_of", place)
    rows = ["1 expert", "best expected IoU"]
    words = [*flags[: flags.index("--rows")], "--rows", *rows, "--on", "ray"]
    words[words.index("--seeds") + 1] = "1"
    work = tmp_path / "work"
    work.mkdir()
    for costs in Path(flags[flags.index("--work") + 1]).glob("costs-*.json"):
        (work / costs.name).write_bytes(costs.read_bytes())  # measured here in any case
    words[words.index("--work") + 1] = str(work)
    words[words.index("--json") + 1] = str(tmp_path / "report.json")
    assert main(["ablation", *words]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert [row["name"] for row in report["rows"]] == ["base", *rows]
    for row in report["rows"]:
        assert [r["sets"] for r in row["runs"]] == [done[row["name"]]["runs"][0]["sets"]]


def test_elsewhere_device_and_number_format_are_the_tasks_own(
    ground_of: MakeGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU's half precision is nothing that a processor could be handed."""
    opened: list[Runtime] = []

    def look(ground: Ground, *_: object) -> object:
        opened.append(ground.runtime)
        return object()

    monkeypatch.setattr("benchmarks.ablation_elsewhere.scored", look)
    ground = replace(ground_of("work"), runtime=Runtime(torch.device("cuda", 0), torch.float16))
    assert rows_elsewhere(ground, [BASE], 1, [], far_away) == ""
    assert opened == [Runtime(torch.device("cpu"))]
