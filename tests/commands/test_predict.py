import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.cli import main
from tests.clips import write_clip


def test_maps_and_overlays_have_native_size(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "wide photo.jpg"
    Image.new("RGB", (120, 50), (90, 120, 60)).save(photo)
    words = ["predict", str(trained), str(photo), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["wide photo.png"]
    assert "1 map in " in capsys.readouterr().out
    assert main([*words, "--overlay"]) == 0
    with Image.open(tmp_path / "out" / "wide photo.png") as map_:
        assert (map_.size, map_.mode) == ((120, 50), "L")
    with Image.open(tmp_path / "out" / "wide photo_overlay.png") as overlay:
        assert (overlay.size, overlay.mode) == ((120, 50), "RGB")
    assert "1 map and overlay in " in capsys.readouterr().out


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
    maps = {p.stem: p for p in out.rglob("*.png")}
    assert stems <= maps.keys()
    grey = np.asarray(Image.open(maps[min(stems)]))
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
    assert "sheet of experts" in capsys.readouterr().out
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
    ("more", "named"),
    [
        (["nowhere.jpg"], "nowhere.jpg: no such file"),
        (["empty"], "empty: no image in it; it is empty"),
        (["notes"], "notes: no image in it; 2 other files left out: no images (2 .txt)"),
        (["x.jpg", "--img-size", "100"], "--img-size: got 100"),
        (["x.jpg", "--img-size", "0"], "--img-size: got 0"),
    ],
)
def test_mistakes(
    more: list[str],
    named: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "notes"):
        Path(folder).mkdir()
    for name in ("a.txt", "b.TXT"):
        Path("notes", name).touch()
    Image.new("RGB", (8, 8)).save("x.jpg")
    assert main(["predict", str(trained), *more, "--out", "out"]) == 2
    assert named in capsys.readouterr().err
    assert not Path("out").exists()


def test_files_that_are_no_images_are_counted_and_folders_mirrored(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    for place in ("a/x.jpg", "b/x.jpg", "b/c/x.png"):
        (photos / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(photos / place)
    for place in ("notes.txt", "b/clip.mp4", "b/._x.jpg"):
        (photos / place).write_bytes(b"x")
    words = ["predict", str(trained), str(photos), "--out", str(photos / "maps")]
    for _ in range(2):  # the second time its own maps are no images to be read
        assert main(words) == 0
        said = capsys.readouterr().out
        assert "3 maps" in said
        assert "3 other files left out" in said
        assert "1 .mp4" in said
        found = {p.relative_to(photos).as_posix() for p in (photos / "maps").rglob("*.png")}
        maps = {"maps/a/x.png", "maps/b/x.png", "maps/b/c/x.png"}
        assert found == maps


def test_predictions_never_replace_what_they_read(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("p.png", "q.jpg"):
        Image.new("RGB", (8, 8)).save(photos / name)
    before = {path: path.read_bytes() for path in photos.iterdir()}
    assert main(["predict", str(trained), str(photos), "--out", str(photos)]) == 2
    error = capsys.readouterr().err
    assert f"{photos / 'p.png'} would replace {photos / 'p.png'}, which is read" in error
    assert {path: path.read_bytes() for path in photos.iterdir()} == before


def test_videos_and_paths_from_standard_input(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(Path("clip.mp4"), 6)
    Image.new("RGB", (30, 20), (90, 120, 60)).save("photo.jpg")
    words = ["predict", str(trained), "-", "--out", "out", "--jsonl", "l.jsonl", "--resume"]
    for number in range(2):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"photo.jpg\nclip.mp4\n")))
        assert main([*words, "--smooth", "0.1", "--batch", "4", "--json", "all.json"]) == 0
        said = capsys.readouterr().out
        assert f"{Path('out', 'clip.mp4')}: 6 frames at 25 a second, 0 broken frames" in said
        assert ("2 inputs done before, by l.jsonl" in said) == bool(number)
        told = json.loads(Path("all.json").read_text())
        assert [result["image"] for result in told["results"]] == ["photo.jpg"]
        assert [(v["source"], v["frames"]) for v in told["videos"]] == [("clip.mp4", 6)]
    assert len(Path("l.jsonl").read_text().splitlines()) == 1 + 1 + 6 + 1
    assert main(["predict", str(trained), "camera:99", "--out", "out"]) == 2
    assert "camera:99: no such camera" in capsys.readouterr().err
    assert main(["predict", str(trained), "photo.jpg", "--out", "out", "--shard", "3/2"]) == 2
    assert "--shard: got 3/2; give i/n" in capsys.readouterr().err
