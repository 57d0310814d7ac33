import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.cli import main
from decamo.data.census import load_cache
from decamo.settings import DataSettings
from decamo.training.data_splits import find_splits
from tests.data.mask_sets import SETS, save_set


def test_make_scenes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "scenes"
    words = ["data", "make-scenes", str(root), "--train", "5", "--test", "2", "--size", "32"]
    assert main(words) == 0
    assert "5 training and 2 test scenes" in capsys.readouterr().out
    assert len(list((root / "Train" / "Image").iterdir())) == 5
    assert len(list((root / "Test" / "GT_Object").iterdir())) == 2


def test_a_verb_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.fixture
def leaky(tmp_path: Path, scenes: Path) -> Path:
    """The scenes with one training image in the test set too, under another name."""
    root = tmp_path / "leaky"
    shutil.copytree(scenes, root)
    image = sorted((root / "Train" / "Image").iterdir())[0]
    mask = next((root / "Train" / "GT_Object").glob(f"{image.stem}.*"))
    shutil.copy(image, root / "Test" / "Image" / f"other{image.suffix}")
    shutil.copy(mask, root / "Test" / "GT_Object" / f"other{mask.suffix}")
    return root


def test_audit_writes_what_is_asked_for(
    leaky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, page, manifest = (tmp_path / name for name in ("a.json", "a.html", "run/census.json"))
    words = ["--json", str(report), "--html", str(page), "--manifest", str(manifest)]
    assert main(["data", "audit", str(leaky), *words, "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "leak: 1" in out
    assert "same bytes" in out
    told = json.loads(report.read_text())
    assert told["counts"]["leak"] == 1
    assert told["copies"][0]["how"] == "same bytes"
    assert page.read_text().count("data:image/jpeg;base64,") == 2
    assert len(load_cache(manifest)) == 15 + 5


def test_strict_is_for_scripts(leaky: Path, scenes: Path) -> None:
    assert main(["data", "audit", str(leaky), "--strict", "--workers", "1"]) == 2
    assert main(["data", "audit", str(scenes), "--strict", "--workers", "1"]) == 0


def test_audit_of_nothing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "audit", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("words", [["--workers", "0"], ["--timeout", "-1"], ["--timeout", "nan"]])
def test_audit_needs_time_and_hands(
    scenes: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "audit", str(scenes), *words]) == 2
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("0/255", "0/255 in 12 of 12 masks"),
        ("0/1 with void 255", "void 255, object all else (1)"),
        ("VOC's cat", "void palette index 255"),
        ("16 bit 0/1000", "object all else (1000)"),
        ("inverted", "warning: masks of SET: the object touches all edges and covers most"),
        ("inverted in part", "warning: masks of SET: 1 of 12 seem inverted"),
        ("one is grey", "count as empty: s3.png"),
        ("wide photographs", "12 images of more than 8 bits"),
        ("one is all void", "void-mask"),
    ],
)
def test_an_audit_says_of_values_what_training_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], store: str, words: str
) -> None:
    home = tmp_path / "SET" / "Train"
    for folder in ("Image", "GT_Object"):
        (home / folder).mkdir(parents=True)
    kind = store if store in SETS else "0/1 with void 255" if "void" in store else "0/255"
    for number, mask in enumerate(save_set(home / "GT_Object", kind, 12)):
        values = np.asarray(Image.open(mask))
        if store == "inverted" or (store == "inverted in part" and number == 3):
            Image.fromarray(255 - values).save(mask)
        elif store == "one is grey" and number == 3:
            Image.fromarray(values // 3).save(mask)
        elif store == "one is all void" and number == 3:
            Image.fromarray(values | np.uint8(255)).save(mask)
        photo: np.ndarray = (
            np.random.default_rng(number).integers(0, 256, (96, 128, 3)).astype(np.uint8)
        )
        if store == "wide photographs":
            photo = photo[..., 0].astype(np.uint16) * 16
        Image.fromarray(photo).save(home / "Image" / f"{mask.stem}.png")
    found = tmp_path / "audit.json"
    page = tmp_path / "audit.html"
    command = ["data", "audit", str(tmp_path / "SET"), "--json", str(found), "--html", str(page)]
    assert main([*command, "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert words in said
    told = json.loads(found.read_text())["findings"]
    inverted = [Path(one["path"]).name for one in told if one["kind"] == "inverted-mask"]
    assert inverted == (["s3.png"] if store == "inverted in part" else [])
    settings = DataSettings(dataset_path=(tmp_path / "SET",), num_workers=1)
    if store == "one is all void":
        return
    splits = find_splits(settings, tmp_path / "census.json", lambda done, total: None)
    (meaning,) = json.loads(found.read_text())["meanings"]
    assert (meaning["dataset"], meaning["split"]) == ("SET", "train")
    assert set(meaning["lines"]) <= set(splits.notes)
    assert meaning["warnings"] == list(splits.warnings)
    assert meaning["rule"] == splits.rules["SET"].to_plain()
    for line in (*meaning["lines"], *(f"warning: {line}" for line in meaning["warnings"])):
        assert f"train: {line}\n" in said
    assert "What their values mean" in page.read_text()
    assert "grey-mask" not in said or store == "one is grey"
