import json
import re
import shutil
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from decamo.cli import main
from tests.report.reader import Reader
from tests.test_start_up import HEAVY, loaded

LOG = "Epoch 87: Loss: 0.2341 | IoU: 0.6350 | Dice: 0.7456 | LR: 0.000200\n"


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A run folder of its own: the page is written into it."""
    return Path(shutil.copytree(trained.parent, tmp_path / "run"))


def test_a_run_becomes_a_page_in_its_folder(
    folder: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"

    assert main(["report", str(folder), "--device", "cpu", "--json", str(report)]) == 0

    page = folder / "report.html"
    assert f"report: {page}" in capsys.readouterr().out
    read = Reader(page.read_text(encoding="utf-8"))
    for words in ("All 2 epochs are finished.", "--stage2-lr", "journal.jsonl", "held out of"):
        assert words in read.text
    told = json.loads(report.read_text())
    cases = told["gallery"]["cases"]
    plots = [f for f in read.all("figure") if f.get("class")]
    assert len(read.all("figure")) == len(plots) + len(cases)
    assert cases
    # The checkpoint of the best epoch, scored anew, scores what its epoch did.
    mean = float(re.findall(r"mean IoU ([0-9.]+)", read.text)[0])
    assert mean == pytest.approx(told["best"]["iou"], abs=1e-4)
    assert str(scenes) in read.text


def test_a_data_set_that_is_gone_is_said(
    folder: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(scenes, moved)
    words = ["report", str(folder), "--html", str(tmp_path / "a.html"), "--device", "cpu"]
    assert main([*words, "--dataset-path", str(tmp_path / "nowhere")]) == 2  # asked for by name
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists()
    assert main([*words, "--dataset-path", str(moved)]) == 0
    assert str(moved) in (tmp_path / "a.html").read_text()


def test_a_checkpoint_that_is_broken_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "best_model.pth").write_bytes(b"nothing")
    assert main(["report", str(folder)]) == 0
    assert "no gallery" in capsys.readouterr().err
    assert "No pictures" in Reader((folder / "report.html").read_text()).text


def test_without_a_checkpoint_there_is_no_gallery(folder: Path) -> None:
    for file in folder.glob("*.pth"):
        file.unlink()
    assert main(["report", str(folder)]) == 0
    assert "no best_model.pth lies beside" in Reader((folder / "report.html").read_text()).text


def test_a_log_becomes_a_page_beside_it(tmp_path: Path) -> None:
    log = tmp_path / "kaggle.log"
    log.write_text(LOG)
    assert main(["report", str(log)]) == 0
    read = Reader((tmp_path / "kaggle.report.html").read_text())
    assert "0.6350" in read.text
    assert "Validation cases" not in read.text


def test_a_pipe_becomes_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(LOG.encode())))
    monkeypatch.chdir(tmp_path)
    assert main(["report", "-"]) == 0
    assert "standard input" in (tmp_path / "report.html").read_text()


def test_several_parts_of_a_lineage_become_one_page(tmp_path: Path) -> None:
    for n in (1, 2):
        (tmp_path / f"{n}.log").write_text(LOG.replace("87", str(86 + n)))
    page = tmp_path / "all.html"
    parts = [str(tmp_path / "1.log"), str(tmp_path / "2.log")]
    assert main(["report", *parts, "--html", str(page), "--target", "0.5"]) == 0
    assert "Epochs 87 to 88" in page.read_text()
    assert "target 0.5" in page.read_text()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nowhere"], "nowhere"),
        ([".", "--target", "72"], "--target"),
        ([".", "--target", "nan"], "--target"),
        (["here.log", "--html", "here.log/x.html"], "here.log is a file, not a folder"),
        (["here.log", "--html", "here.log"], "would replace here.log, which is read"),
        (["here.log", "--html", "x.html", "--json", "x.html"], "is also where --html writes"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.log").write_text(LOG)
    assert main(["report", *words]) == 2
    err = capsys.readouterr().err
    assert named in err
    assert err.count("\n") == 1


def test_without_a_gallery_no_torch_is_loaded(folder: Path) -> None:
    packages = loaded("report", str(folder), "--no-gallery")
    assert not packages & (HEAVY - {"scipy"})
    assert "Validation cases" not in (folder / "report.html").read_text()
