import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.__main__ import main

pytest.importorskip("segmentation_models_pytorch")


@pytest.fixture(scope="module")
def flags(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    work = tmp_path_factory.mktemp("quality")
    return [
        *("--dataset-path", str(scenes), "--work", str(work / "work")),
        *("--json", str(work / "report.json"), "--backbone", "test_efficientnet"),
        *("--epochs", "1", "--img-size", "64", "--batch-size", "7", "--rounds", "1"),
        *("--num-workers", "0", "--device", "cpu"),
        *("--peers", "FPN", "--ours", "decamo-1", "--seeds", "2"),
    ]


def bench(flags: list[str], *more: str) -> int:
    return main(["quality", *flags, *more])


def report_of(flags: list[str]) -> Any:
    return json.loads(Path(flags[flags.index("--json") + 1]).read_text())


def work_of(flags: list[str]) -> Path:
    return Path(flags[flags.index("--work") + 1])


@pytest.fixture(scope="module")
def done(flags: list[str]) -> Any:
    assert bench(flags) == 0
    return report_of(flags)


def test_every_network_and_seed_is_trained_and_scored(done: Any) -> None:
    runs = [(run["told"]["network"], run["told"]["seed"]) for run in done["runs"]]
    assert runs == [("FPN", 0), ("decamo-1", 0), ("FPN", 1), ("decamo-1", 1)]
    assert {run["told"]["train_images"] for run in done["runs"]} == {14}
    assert {run["epochs"] for run in done["runs"]} == {1}
    for run in done["runs"]:
        (found,) = run["sets"].values()
        assert len(found["images"]) == 4
    assert {(gap["ours"], gap["peer"], gap["seeds"]) for gap in done["gaps"]} == {
        ("decamo-1", "FPN", 2)
    }
    assert done["networks"]["FPN"]["ratio"] == 1.0


def test_the_same_command_trains_nothing_again(
    flags: list[str], done: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {p: p.stat().st_mtime_ns for p in work_of(flags).rglob("*") if p.name != "census.json"}
    assert bench(flags) == 0
    assert report_of(flags) == done
    assert {p: p.stat().st_mtime_ns for p in files if p.is_file()} == {
        p: when for p, when in files.items() if p.is_file()
    }
    out = capsys.readouterr().out
    assert out.count("\n| FPN |") == 2  # costs, and one test set
    assert "4 images" in out
    assert "nothing is chosen on test images" in out


@pytest.mark.long
def test_what_is_held_out_of_the_training_images_scores_and_does_not_train(
    flags: list[str], done: Any, tmp_path: Path
) -> None:
    more = ["--work", str(tmp_path / "held"), "--json", str(tmp_path / "held.json")]
    one = [*flags, *more, "--hold-out", "0.3", "--peers", "--seeds", "1"]
    assert main(["quality", *one]) == 0
    (run,) = json.loads((tmp_path / "held.json").read_text())["runs"]
    ((name, found),) = run["sets"].items()
    assert run["told"]["train_images"] + len(found["images"]) == 14
    assert len(found["images"]) == 4
    assert not set(found["images"]) & set(done["runs"][0]["sets"][name]["images"])


@pytest.mark.parametrize("share", ["0", "1", "nan"])
def test_a_share_that_leaves_nothing_is_refused(
    flags: list[str], share: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(flags, "--hold-out", share) == 2
    assert "--hold-out: got" in capsys.readouterr().err


def test_a_run_that_was_lost_alone_is_made_again_and_comes_to_the_same(
    flags: list[str], done: Any
) -> None:
    (work_of(flags) / "fpn-seed1.json").unlink()
    for path in (work_of(flags) / "fpn-seed1").iterdir():
        path.unlink()
    assert bench(flags) == 0
    assert [run["sets"] for run in report_of(flags)["runs"]] == [r["sets"] for r in done["runs"]]


def test_equal_time_deals_out_epochs_by_the_measured_ratio(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = {"parameters": 1, "flops": 1, "seconds": 1.0, "memory_bytes": 1}
    known = {"FPN": costs | {"ratio": 1.0}, "decamo-1": costs | {"ratio": 0.4}}
    of = {"reference": "FPN", "img_size": 64, "batch_size": 7, "backbone": "test_efficientnet"}
    of |= {"device": "cpu", "threads": torch.get_num_threads()}
    (tmp_path / "costs.json").write_text(json.dumps({"of": of, "costs": known}))
    more = ("--equal-time", "--work", str(tmp_path), "--seeds", "1")
    assert bench([*flags, *more, "--peers"], "--json", str(tmp_path / "r.json")) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["networks"]["decamo-1"]["epochs"] == 2
    assert [run["epochs"] for run in report["runs"]] == [2]
    assert "epoch 2 of 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--seeds", "0"), "--seeds"),
        (("--img-size", "100"), "multiple of 32"),
        (("--peers", "--ours"), "no network is left"),
        (("--batch-size", "6"), "name another folder"),
    ],
)
def test_mistakes_are_one_line(
    flags: list[str],
    done: Any,
    more: tuple[str, ...],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert done
    assert bench(flags, *more) == 2
    err = capsys.readouterr().err
    assert named in err
    assert err.count("\n") == 1


def test_any_network_takes_part_as_a_peer(flags: list[str], done: Any, tmp_path: Path) -> None:
    file = tmp_path / "theirs.py"
    file.write_text(
        "from torch import nn\n\n\n"
        "def build(pretrained=True):\n"
        "    backbone = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())\n"
        "    net = nn.Sequential()\n"
        "    net.backbone, net.head = backbone, nn.Conv2d(4, 1, 1)\n"
        "    return net\n"
    )
    given = [*flags, "--json", str(tmp_path / "with.json"), "--seeds", "1"]
    assert main(["quality", *given, "--network", f"{file}:build"]) == 0
    report = json.loads((tmp_path / "with.json").read_text())
    told = report["runs"][-1]["told"]
    assert told["network"] == told["model"]["network"] == "theirs.py:build"
    assert told["model"]["source"]
    assert str(tmp_path) not in json.dumps(told)
    assert {gap["ours"] for gap in report["gaps"]} == {"decamo-1"}
    assert "theirs.py:build" in report["networks"]
    # The kept score is of this file alone.
    file.write_text(file.read_text() + "\n# another\n")
    assert main(["quality", *given, "--network", f"{file}:build"]) == 2
