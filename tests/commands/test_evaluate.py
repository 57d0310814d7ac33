import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from decamo.cli import main
from tests.evaluation.conftest import square, write_greys
from tests.metrics.reference import reference_measures


def test_scores_equal_those_of_the_written_maps(
    trained: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "scores.json"
    assert main(["evaluate", str(trained), "--dataset-path", str(scenes), "--noncam", "negatives",
                 "--protocol", "plain", "--json", str(report)]) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert "scored at native size, threshold 0.5" in out
    assert "raw weights of epoch 2" in out
    (scored,) = json.loads(report.read_text())["datasets"]
    assert main(["predict", str(trained), str(scenes / "Test/Image"), "--out", str(tmp_path)]) == 0
    for image in scored["images"]:
        stem = image["image"].split("/")[-1]
        probability = np.asarray(Image.open(tmp_path / f"{stem}.png")) / 255
        mask = np.asarray(Image.open(scenes / "Test/GT_Object" / f"{stem}.png")) > 127
        # the map on disk has 8 bits
        assert image["mae"] == pytest.approx(np.abs(probability - mask).mean(), abs=0.003)
    mean = np.mean([image["iou"] for image in scored["images"]])
    assert scored["mean"]["iou"] == pytest.approx(mean)


def test_images_that_trained_the_network_are_warned_of(
    trained: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "scores.json"
    words = ["evaluate", str(trained), "--dataset-path", str(scenes), "--resamples", "0"]
    assert main([*words, "--json", str(report)]) == 0
    assert "have trained" not in capsys.readouterr().err
    assert json.loads(report.read_text())["trained_on"] == []
    assert main([*words, "--split", "train", "--json", str(report)]) == 0
    (met,) = json.loads(report.read_text())["trained_on"]
    warned = f"{len(met['trained'])} of {met['count']} images have trained this network"
    assert warned in capsys.readouterr().err
    assert met["trained"]
    assert met["chose"]
    assert not set(met["trained"]) & set(met["chose"])


def test_a_data_set_without_test_images_is_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(trained), "--dataset-path", str(tmp_path)]) == 2
    assert "--dataset-path" in capsys.readouterr().err


@pytest.fixture
def maps(trained: Path, scenes: Path, tmp_path: Path) -> Path:
    """What ``decamo predict`` writes."""
    folder = tmp_path / "maps"
    assert main(["predict", str(trained), str(scenes / "Test/Image"), "--out", str(folder)]) == 0
    return folder


def scores_of(path: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(path.read_text())["datasets"]
    return entries


def test_a_network_and_the_maps_it_wrote_have_equal_scores_and_prints(
    trained: Path, scenes: Path, maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "both.json"
    assert main(["evaluate", "--noncam", "negatives", f"net={trained}", "--predictions",
                 f"maps={maps}", "--dataset-path", str(scenes), "--json", str(report),
                 "--compare", "net", "maps"]) == 0  # fmt: skip
    net, written = scores_of(report)
    assert net["mean"] == written["mean"]
    assert net["curves"] == written["curves"]
    assert net["protocol"]["masks"] == written["protocol"]["masks"]
    assert "no difference can be told between net and maps" in capsys.readouterr().out


def test_more_views_move_scores_and_are_told(
    trained: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, report = tmp_path / "maps", tmp_path / "both.json"
    views = ["--flips", "--scales", "1", "1.5"]
    assert main(["predict", str(trained), str(scenes / "Test/Image"), "--out", str(folder),
                 *views]) == 0  # fmt: skip
    assert main(["evaluate", "--noncam", "negatives", f"net={trained}", "--predictions",
                 f"maps={folder}", "--dataset-path", str(scenes), *views, "--json",
                 str(report)]) == 0  # fmt: skip
    net, written = scores_of(report)
    assert net["mean"] == written["mean"]
    assert "test-time augmentation flip, scales 1 1.5" in capsys.readouterr().out
    assert main(["evaluate", "--noncam", "negatives", str(trained), "--dataset-path", str(scenes),
                 "--json", str(report)]) == 0  # fmt: skip
    assert scores_of(report)[0]["mean"]["mae"] != net["mean"]["mae"]
    assert main(["predict", str(trained), str(scenes), "--out", str(folder), "--scales", "9"]) == 2


def test_no_score_moves_with_batch_or_workers(trained: Path, scenes: Path, tmp_path: Path) -> None:
    reports = []
    for batch, workers in ((1, 1), (2, 1), (4, 2), (8, 1)):
        report = tmp_path / f"{batch}.json"
        assert main(["evaluate", str(trained), "--dataset-path", str(scenes), "--batch-size",
                     str(batch), "--workers", str(workers), "--json",
                     str(report)]) == 0  # fmt: skip
        reports.append(report.read_bytes())
    assert len(set(reports)) == 1


def test_folders_against_folders_with_every_output(
    scenes: Path, maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = {flag: tmp_path / f"out.{flag}" for flag in ("json", "csv", "markdown", "latex")}
    flags = [word for flag, path in out.items() for word in (f"--{flag}", str(path))]
    assert main(["evaluate", "--predictions", str(maps), f"again={maps}", "--masks",
                 f"S={scenes / 'Test/GT_Object'}", "--images", str(scenes / "Test/Image"), "--by",
                 "class", "subclass", "--atlas", str(tmp_path / "atlas"), "--noncam",
                 "negatives", *flags]) == 0  # fmt: skip
    assert all(path.stat().st_size for path in out.values())
    assert {p.name for p in (tmp_path / "atlas").iterdir()} == {"maps-S.png", "again-S.png"}
    text = capsys.readouterr().out
    assert "The six sum to 1 - IoU" in text
    assert "contrast" in text
    assert {g["by"] for g in scores_of(out["json"])[0]["groups"]} >= {"class", "subclass", "size"}


def test_a_missing_map_is_an_error_or_counted_and_extra_ones_are_listed(
    scenes: Path, maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = min(maps.glob("*.png"))
    first.rename(maps / "stranger.png")
    flags = ["evaluate", "--predictions", str(maps), "--masks", str(scenes / "Test/GT_Object"),
             "--noncam", "negatives", "--json", str(tmp_path / "a.json")]  # fmt: skip
    assert main(flags) == 2
    assert first.stem in capsys.readouterr().err
    assert main([*flags, "--missing", "zero"]) == 0
    captured = capsys.readouterr()
    assert f"1 mask without a map counts as nothing found: {first.stem}" in captured.err
    assert "1 map belongs to no mask and is not scored: stranger.png" in captured.err
    assert "1 missing maps count as finding nothing" in captured.out
    (entry,) = scores_of(tmp_path / "a.json")
    assert entry["protocol"]["missing"] == 1
    assert entry["count"] == 4


def test_maps_of_another_size_are_refused_or_resized(
    scenes: Path, maps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in maps.glob("*.png"):
        Image.open(path).resize((32, 32)).save(path)
    flags = ["evaluate", "--predictions", str(maps), "--dataset-path", str(scenes)]
    assert main(flags) == 2
    assert "the map is 32 x 32 px" in capsys.readouterr().err
    assert main([*flags, "--resize"]) == 0
    assert "maps brought to their mask's size" in capsys.readouterr().out


def test_expect_exits_with_1_where_a_score_or_the_protocol_moved(
    scenes: Path, maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "was.json"
    flags = ["evaluate", "--predictions", str(maps), "--dataset-path", str(scenes)]
    assert main([*flags, "--protocol", "plain", "--json", str(report)]) == 0
    assert main([*flags, "--expect", str(report)]) == 0
    assert "as expected" in capsys.readouterr().out
    assert main([*flags, "--stretch", "--expect", str(report)]) == 1
    assert "protocol, stretch: was False, is True" in capsys.readouterr().err
    path = max(maps.glob("*.png"))
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    assert main([*flags, "--expect", str(report)]) == 1
    err = capsys.readouterr().err
    assert "iou moved by" in err
    assert "protocol, " not in err.replace("protocol, as", "")
    # a report is held against scores by its own protocol, and another is refused
    assert f"scored by the plain protocol, as {report} was" in err
    assert main([*flags, "--expect", str(report), "--protocol", "published"]) == 2
    err = capsys.readouterr().err
    assert "--protocol: published, but the scores of --expect" in err
    assert "give --protocol plain" in err
    assert main([*flags, "--expect", str(report), "--tolerance", "1"]) == 0


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--predictions", "x"], "--dataset-path"),
        (["--predictions", "x", "--masks", "x", "--dataset-path", "y"], "--dataset-path"),
        (["a.pth", "--masks", "x"], "--masks: a network needs images"),
        (["a.pth", "--dataset-path", "SCENES"], "a.pth"),
        (["--dataset-path", "SCENES"], "nothing to score"),
        (["--dataset-path", "SCENES", "--predictions", "A=x", "A=y"], "NAME=PATH"),
        (["--dataset-path", "SCENES", "--predictions", "x", "--compare", "x", "z"], "called z"),
        (["--dataset-path", "SCENES", "--predictions", "x", "--expect", "none"], "--expect"),
    ],
)
def test_a_mistake_is_one_line(
    scenes: Path, flags: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *(str(scenes) if f == "SCENES" else f for f in flags)]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert len(err.splitlines()) == 1


Greys = dict[str, npt.NDArray[np.uint8]]


def _truth() -> Greys:
    """Masks of an object, of none, of nothing else, and one with soft edges of every level."""
    y, x = np.mgrid[:40, :54]
    some = np.where(np.hypot(y - 19, x - 25) < 11, 255, 0)
    soft = np.clip(128.5 + 12 * (11 - np.hypot(y - 19, x - 25)), 0, 255)
    masks = {"a": some, "b": np.roll(some, 9, 1), "e": 0 * some, "f": 0 * some + 255, "s": soft}
    return {stem: mask.astype(np.uint8) for stem, mask in masks.items()}


def _maps(low: float = 0, high: float = 255, seed: int = 0) -> Greys:
    rng = np.random.default_rng(seed)
    return {
        stem: np.clip(
            low + (high - low) * mask / 255 + rng.normal(0, 30, mask.shape), low, high
        ).astype(np.uint8)
        for stem, mask in _truth().items()
    }


def _constant(level: int) -> Greys:
    return {stem: np.full_like(mask, level) for stem, mask in _truth().items()}


def _soft(slope: float) -> Greys:
    """Discs whose edges rise by so many levels a pixel, not all up to white."""
    y, x = np.mgrid[:40, :54]
    return {
        stem: np.clip(128 + slope * (9 + n - np.hypot(y - 19, x - 22 - n)), 0, 255).astype(np.uint8)
        for n, stem in enumerate("abef")
    }


def _levels(zero: int, one: int) -> Greys:
    keep = ("a", "b", "e", "f")
    return {s: np.where(m > 128, one, zero).astype(np.uint8) for s, m in _truth().items()
            if s in keep}  # fmt: skip


def _resized(maps: Greys, height: int, width: int) -> Greys:
    return {s: np.asarray(Image.fromarray(m).resize((width, height))) for s, m in maps.items()}


# maps, masks, and what else is given
SAME: dict[str, tuple[Greys, Greys, list[str]]] = {
    "noise": (_maps(), _truth(), []),
    "never black, never white": (_maps(3, 254), _truth(), []),
    "faint": (_maps(10, 40), _truth(), []),
    "zero and one": ({s: m // 128 for s, m in _maps().items()}, _truth(), []),
    "nothing found": (_constant(0), _truth(), []),
    "all found": (_constant(255), _truth(), []),
    "one grey": (_constant(77), _truth(), []),
    "127": (_constant(127), _truth(), []),
    "128": (_constant(128), _truth(), []),
    "middle of an odd span": ({s: (m // 127 * 127).clip(0, 254) for s, m in _maps().items()},
                              _truth(), []),
    "smaller": (_resized(_maps(), 17, 23), _truth(), ["--resize"]),
    "half as large": (_resized(_maps(), 80, 108), _truth(), ["--resize"]),
    "larger": (_resized(_maps(2, 200), 97, 61), _truth(), ["--resize"]),
    "masks of wide soft edges": (_maps(), _soft(5), []),
    "masks of narrow soft edges": (_maps(), _soft(40), []),
    "mask of 0 and 254": (_maps(), _levels(0, 254), []),
    "mask of 0 and 129": (_maps(), _levels(0, 129), []),
    "mask of 0 and 128": (_maps(), _levels(0, 128), []),
    "one mask of 0 and 128": (_maps(), _levels(0, 255) | {"b": _levels(0, 128)["b"]}, []),
}  # fmt: skip


def _by_the_toolbox(maps: Path, masks: Path) -> dict[str, float]:
    """The means of a folder as pysodmetrics' documentation has them made."""
    made = []
    for path in sorted(masks.iterdir()):
        grey = cv2.imread(str(maps / path.name), cv2.IMREAD_GRAYSCALE)
        truth = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert grey is not None
        assert truth is not None
        if grey.shape != truth.shape:
            grey = cv2.resize(grey, truth.shape[::-1], interpolation=cv2.INTER_LINEAR)
        made.append(reference_measures(grey, truth, stretch=True, binary=True))
    mean = {name: np.mean([m[name] for m in made], axis=0) for name in made[0]}
    curves = {"f": "f", "e": "e", "iou_curve": "iou", "dice_curve": "dice"}
    return {
        **{name: float(v) for name, v in mean.items() if np.ndim(v) == 0},
        **{f"{new}_mean": float(mean[old].mean()) for old, new in curves.items()},
        **{f"{new}_max": float(mean[old].max()) for old, new in curves.items()},
    }


@pytest.mark.parametrize("case", SAME)
def test_published_scores_are_those_of_pysodmetrics(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    maps, masks, flags = SAME[case]
    folders = write_greys(tmp_path / "maps", maps), write_greys(tmp_path / "GT", masks)
    out = {flag: tmp_path / f"out.{flag}" for flag in ("json", "csv", "markdown", "latex")}
    words = [word for flag, path in out.items() for word in (f"--{flag}", str(path))]
    assert main(["evaluate", "--predictions", str(folders[0]), "--masks", str(folders[1]),
                 "--resamples", "0", *flags, *words]) == 0  # fmt: skip
    report = json.loads(out["json"].read_text())
    (entry,) = report["datasets"]
    assert entry["count"] == len(masks)
    want = _by_the_toolbox(*folders)
    assert want.keys() == entry["mean"].keys() - {
        "boundary_iou", "ece", "found_share", "object_share"
    }  # fmt: skip
    for name, value in want.items():
        assert entry["mean"][name] == pytest.approx(value, abs=1e-6), name
    # each output says at its head by which protocol
    assert next(iter(report.items())) == ("protocol", "published")
    assert capsys.readouterr().out.startswith("published protocol, as pysodmetrics: each map")
    assert out["csv"].read_text().splitlines()[1].startswith("published,")
    assert out["markdown"].read_text().startswith("Published protocol, as pysodmetrics: ")
    assert out["latex"].read_text().startswith("% published protocol, as pysodmetrics: ")
    # and what the other one says, where that moves the third decimal
    other = entry["other_protocol"]
    assert other["name"] == "plain"
    assert main(["evaluate", "--predictions", str(folders[0]), "--masks", str(folders[1]),
                 "--protocol", "plain", "--resamples", "0", *flags, "--json",
                 str(out["json"])]) == 0  # fmt: skip
    (alone,) = scores_of(out["json"])
    assert (alone["count"], alone["mean"]) == (other["count"], other["mean"])
    assert alone["other_protocol"]["mean"] == entry["mean"]


def _scored(tmp_path: Path, maps: Greys, masks: Path, *flags: str) -> dict[str, Any]:
    folder, report = write_greys(tmp_path / "maps", maps), tmp_path / "scores.json"
    assert main(["evaluate", "--predictions", str(folder), "--masks", f"SET={masks}",
                 "--resamples", "0", "--json", str(report), *flags]) == 0  # fmt: skip
    return scores_of(report)[0]


@pytest.mark.parametrize("level", [100, 128, "red"])
def test_masks_that_count_as_empty_are_named_with_a_remedy(
    tmp_path: Path, level: int | str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the set says that 255 is the object, a mask of another level is the odd one out."""
    many = {f"m{n:02}": square(2, 3, 6 + n % 9) for n in range(24)}
    folder = write_greys(tmp_path / "GT", many)
    odd = many["m07"]
    if level == "red":
        Image.fromarray(np.dstack([odd, odd * 0, odd * 0])).save(folder / "m07.png")
    else:
        Image.fromarray(odd // 255 * np.uint8(level)).save(folder / "m07.png")
    entry = _scored(tmp_path, many, folder)
    err = capsys.readouterr().err
    assert "1 mask is not black but has no level above 128, and counts as empty: m07" in err
    assert "--mask-values object=" in err
    (image,) = [i for i in entry["images"] if i["image"] == "SET/m07"]
    assert (image["object_share"], image["iou"]) == (0, 0)
    if level != "red":
        found = _scored(tmp_path, many, folder, "--mask-values", f"object={level},255")
        assert found["mean"]["iou"] == 1
        assert "count as empty" not in capsys.readouterr().err


@pytest.mark.parametrize("form", ["0/1", "0/100", "palette", "ids"])
def test_a_set_of_other_values_is_read_by_what_they_mean(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    many = {f"m{n:02}": square(2, 3, 6 + n % 9) for n in range(12)}
    (tmp_path / "GT").mkdir()
    for n, (stem, mask) in enumerate(many.items()):
        one = {"0/100": 100, "ids": 1 + n % 3}.get(form, 1)
        picture = Image.fromarray(mask // 255 * np.uint8(one))
        if form == "palette":
            picture.putpalette([0, 0, 0, 128, 0, 0] + [0] * 762)
        picture.save(tmp_path / "GT" / f"{stem}.png")
    entry = _scored(tmp_path, many, tmp_path / "GT")
    assert entry["mean"]["iou"] == 1
    assert entry["mean"]["s"] == pytest.approx(1)
    said = capsys.readouterr()
    assert "masks of SET: " in said.err
    assert "object is mask by the meaning of its values" in said.out.splitlines()[0]
    assert said.out.splitlines()[1].startswith("masks of SET: ")


def test_mask_values_for_a_set_that_is_not_there_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_greys(tmp_path / "GT", {"a": square(2, 3, 6)})
    assert main(["evaluate", "--predictions", str(folder), "--masks", f"SET={folder}",
                 "--mask-values", "VOC:object=1"]) == 2  # fmt: skip
    assert "--mask-values: got VOC:object=1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("way", "told"),
    [("alpha", "with an alpha channel that holds the map, read as alpha"),
     ("npy", "of floats, 1 being 1"), ("16 bits", "of more than 8 bits, 65535 being 1")],
)  # fmt: skip
def test_maps_as_methods_write_them_have_the_scores_of_plain_ones(
    tmp_path: Path, way: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    masks, maps = write_greys(tmp_path / "GT", _truth()), _maps(2, 250)
    want = _scored(tmp_path, maps, masks)["mean"]
    folder, report = tmp_path / "other", tmp_path / "other.json"
    folder.mkdir()
    for stem, grey in maps.items():
        if way == "npy":
            np.save(folder / f"{stem}.npy", grey / 255)
        elif way == "alpha":
            Image.fromarray(np.dstack([grey * 0 + 255] * 3 + [grey])).save(folder / f"{stem}.png")
        else:
            Image.fromarray(grey.astype(np.uint16) * 257).save(folder / f"{stem}.png")
    assert main(["evaluate", "--predictions", f"M={folder}", "--masks", f"SET={masks}",
                 "--resamples", "0", "--json", str(report)]) == 0  # fmt: skip
    captured = capsys.readouterr()
    assert (
        f"M on SET: 5 files (such as a.{'npy' if way == 'npy' else 'png'}) {told}" in captured.err
    )
    (entry,) = scores_of(report)
    assert told in entry["protocol"]["reading"]
    for name, value in want.items():
        assert entry["mean"][name] == pytest.approx(value, abs=1e-6), name


def test_two_files_of_one_stem_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = write_greys(tmp_path / "GT", {"a": square(2, 3, 6)})
    maps = write_greys(tmp_path / "maps", {"a": square(2, 3, 6)})
    np.save(maps / "a.npy", square(2, 3, 6) / 255)
    assert main(["evaluate", "--predictions", str(maps), "--masks", str(masks)]) == 2
    assert "a.npy and a.png have the same name but for the extension" in capsys.readouterr().err
