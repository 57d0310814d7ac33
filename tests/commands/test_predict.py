import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.cli import main


def test_maps_and_overlays_have_native_size(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "wide photo.jpg"
    Image.new("RGB", (120, 50), (90, 120, 60)).save(photo)
    assert main(["predict", str(trained), str(photo), "--out", str(tmp_path / "out")]) == 0
    with Image.open(tmp_path / "out" / "wide photo.png") as map_:
        assert (map_.size, map_.mode) == ((120, 50), "L")
    with Image.open(tmp_path / "out" / "wide photo_overlay.png") as overlay:
        assert (overlay.size, overlay.mode) == ((120, 50), "RGB")
    assert "1 maps" in capsys.readouterr().out


def test_a_folder_is_predicted_whole_and_a_broken_file_is_named(
    trained: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 nothing")
    folder = scenes / "Test" / "Image"
    out = tmp_path / "out"
    assert main(["predict", str(trained), str(folder), str(broken), "--out", str(out)]) == 2
    assert f"left out: {broken}" in capsys.readouterr().err
    stems = {p.stem for p in folder.iterdir()}
    assert stems <= {p.stem for p in out.iterdir()}
    grey = np.asarray(Image.open(out / f"{min(stems)}.png"))
    assert grey.dtype == np.uint8


def test_experts_are_drawn_and_told_without_a_change_to_the_map(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.jpg"
    Image.effect_noise((60, 40), 80).convert("RGB").save(photo)
    for folder, more in (("plain", []), ("told", ["--experts"])):
        told = tmp_path / f"{folder}.json"
        out = tmp_path / folder
        words = ["predict", str(trained), str(photo), "--out", str(out), "--json", str(told)]
        assert main([*words, *more]) == 0
    assert "sheets of experts" in capsys.readouterr().out
    names = [{p.name for p in (tmp_path / folder).iterdir()} for folder in ("plain", "told")]
    assert names[1] - names[0] == {"photo_experts.png"}
    for name in names[0]:
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "told" / name).read_bytes()
    assert "experts" not in json.loads((tmp_path / "plain.json").read_text())["results"][0]
    (result,) = json.loads((tmp_path / "told.json").read_text())["results"]
    assert result["sheet"] == str(tmp_path / "told" / "photo_experts.png")
    assert [level["level"] for level in result["experts"]] == [
        "stride 4", "stride 8", "stride 16", "stride 32",
    ]  # fmt: skip
    for level in result["experts"]:
        assert list(level["gates"])[:2] == ["texture", "global context"]
        assert sum(level["gates"].values()) == pytest.approx(1, abs=1e-5)
        assert 0 < level["entropy"] <= 1 + 1e-6
        assert level["gates"].keys() == level["strength"].keys()
        assert all(share >= 0 for share in level["strength"].values())


@pytest.mark.parametrize(
    ("files", "named"),
    [(["nowhere.jpg"], "nowhere.jpg: no such file"), (["a/x.jpg", "b/x.png"], "same name")],
)
def test_mistakes(
    files: list[str],
    named: str,
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in files[:2] if len(files) > 1 else []:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    words = [str(tmp_path / f) for f in files]
    assert main(["predict", str(trained), *words, "--out", str(tmp_path / "out")]) == 2
    assert named in capsys.readouterr().err
