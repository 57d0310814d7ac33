import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from decamo.data.scenes import write_scenes


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    work = tmp_path_factory.mktemp("unlabelled")
    for name, seed in (("COD10K-v3", 1), ("CAMO", 2)):
        write_scenes(work / name, train=6, test=3, size=64, noncam_share=0, seed=seed,
                     on_progress=lambda _done, _of: None)  # fmt: skip
    return [
        *("--dataset-path", str(work / "COD10K-v3"), str(work / "CAMO")),
        *("--work", str(work / "work"), "--json", str(work / "report.json")),
        *("--backbone", "test_efficientnet", "--epochs", "1", "--img-size", "64"),
        *("--num-workers", "0", "--device", "cpu", "--entry", "decamo-1"),
        *("--confidence", "0", "0.05"),
    ]


def report_of(flags: list[str]) -> Any:
    return json.loads(Path(flags[flags.index("--json") + 1]).read_text())


@pytest.fixture(scope="module")
def done(flags: list[str]) -> Any:
    assert main(["unlabelled", *flags]) == 0
    return report_of(flags)


@pytest.mark.long
def test_arms_differ_in_what_trains_alone(done: Any) -> None:
    told = {run["told"]["network"]: run["told"] for run in done["runs"]}
    assert list(told) == ["without it", "all true masks", "pseudo-labels 0", "pseudo-labels 0.05"]
    assert [one["train_images"] for one in told.values()][:3] == [6, 12, 12]
    assert [one["schedule"]["epochs"] for one in told.values()][:3] == [2, 1, 1]
    assert len({json.dumps(one["optimise"]) for one in told.values()}) == 1


def test_labels_are_held_against_true_masks(done: Any) -> None:
    first = done["labels"][0]
    assert (first["photographs"], first["joined"]) == (6, 6)
    assert 0 < first["expected"] < 1
    assert 0 <= first["true"] < 1


def test_differences_are_paired(done: Any) -> None:
    assert {gap["dataset"] for gap in done["gaps"]} == {"CAMO", "COD10K-v3"}
    by = {(gap["ours"], gap["peer"]) for gap in done["gaps"]}
    assert ("pseudo-labels 0", "without it") in by
    assert ("pseudo-labels 0", "all true masks") in by
    assert ("all true masks", "without it") in by


def test_the_same_command_trains_nothing_again(
    flags: list[str], done: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    work = Path(flags[flags.index("--work") + 1])
    files = {p: p.stat().st_mtime_ns for p in work.rglob("*.p*")}
    assert main(["unlabelled", *flags]) == 0
    assert {p: p.stat().st_mtime_ns for p in work.rglob("*.p*")} == files
    assert report_of(flags) == done
    assert "true IoU" in capsys.readouterr().out


def test_what_is_held_out_is_scored_and_never_trains(flags: list[str]) -> None:
    work = flags[flags.index("--work") + 1]
    again = [word if word != work else f"{work}-held" for word in flags]
    assert main(["unlabelled", *again, "--hold-out", "0.34"]) == 0
    report = report_of(flags)
    scored = {
        stem for run in report["runs"] for one in run["sets"].values() for stem in one["images"]
    }
    assert len(scored) == 4
    assert report["labels"][0]["photographs"] == 6
    assert report["labels"][0]["joined"] == 4


def test_a_name_that_parts_nothing_is_refused(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["unlabelled", *flags, "--without-masks", "NC4K"]) == 2
    assert "COD10K" in capsys.readouterr().err
