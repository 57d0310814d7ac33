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
