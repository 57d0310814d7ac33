import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.fault_finding import (
    audit_copies,
    audit_masks,
    copies_found,
    least_agreed,
    masks_found,
    without_copies,
)
from benchmarks.fault_tables import leaked_markdown, leaked_scores
from benchmarks.faulty_data import (
    MaskFault,
    add_leaks,
    drawn_copies,
    drawn_mask_faults,
    faulty_mask,
    scored_pairs,
)
from benchmarks.quality_scores import Score, SetScores
from decamo.data.layouts import find_pairs
from decamo.data.pairs import Pair
from decamo.data.reading import read_labelled
from decamo.data.scenes import write_scenes
from decamo.evaluation import sets_of_pairs

TRAIN, TEST, SHARE = 12, 3, 0.42  # five faults, one of each kind


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data-faults") / "COD10K-v3"
    write_scenes(folder, train=TRAIN, test=TEST, size=64, noncam_share=0, seed=1,
                 on_progress=lambda _done, _of: None)  # fmt: skip
    return folder


@pytest.fixture
def pairs(scenes: Path) -> tuple[Pair, ...]:
    return tuple(find_pairs([scenes], "train").pairs)


def mask_of(pair: Pair) -> Any:
    return read_labelled(pair)[1].object


def a_mask() -> Any:
    mask = np.zeros((40, 80), dtype=bool)
    mask[10:20, 4:30] = True
    return mask


def test_a_mask_is_inverted_or_emptied() -> None:
    mask = a_mask()
    assert (faulty_mask(MaskFault.INVERTED, mask, mask) == ~mask).all()
    assert not faulty_mask(MaskFault.EMPTY, mask, mask).any()


def test_a_mask_of_another_image_is_stretched() -> None:
    other = np.zeros((10, 10), dtype=bool)
    other[5:, :] = True
    found = faulty_mask(MaskFault.OTHER, a_mask(), other)
    assert found.shape == (40, 80)
    assert found[20:].all()
    assert not found[:20].any()


def test_a_mask_is_shifted_by_a_tenth_to_where_there_is_room() -> None:
    mask = a_mask()
    found = faulty_mask(MaskFault.SHIFTED, mask, mask)
    assert (found[:, 8:] == mask[:, :-8]).all()
    assert found.sum() == mask.sum()
    turned = faulty_mask(MaskFault.SHIFTED, mask[:, ::-1], mask)
    assert (turned == found[:, ::-1]).all()


def test_outlines_grow_by_a_twentieth_of_the_side() -> None:
    found = faulty_mask(MaskFault.GROWN, a_mask(), a_mask())
    assert found[15].nonzero()[0].tolist() == list(range(2, 32))
    assert found[:, 20].nonzero()[0].tolist() == list(range(8, 22))
    assert not found[8, 2]  # round


def test_faults_are_of_all_kinds_and_the_images_stay(
    pairs: tuple[Pair, ...], tmp_path: Path
) -> None:
    held = drawn_mask_faults(pairs, SHARE, tmp_path)
    assert sorted(held.faults.values()) == sorted(MaskFault)
    assert [pair.image for pair in held.pairs] == [pair.image for pair in pairs]
    for sound, pair in zip(pairs, held.pairs, strict=True):
        kind = held.faults.get(pair.key)
        if kind is None:
            assert pair == sound
        elif kind is not MaskFault.OTHER:
            assert (mask_of(pair) == faulty_mask(kind, mask_of(sound), mask_of(sound))).all()
        else:
            others = [mask_of(one) for one in pairs if one != sound]
            assert any((mask_of(pair) == other).all() for other in others)


def test_faults_are_reproducible_and_written_once(pairs: tuple[Pair, ...], tmp_path: Path) -> None:
    first = drawn_mask_faults(pairs, SHARE, tmp_path / "a")
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()}
    assert drawn_mask_faults(pairs, SHARE, tmp_path / "a") == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()} == times
    elsewhere = drawn_mask_faults(pairs, SHARE, tmp_path / "b")
    assert elsewhere.faults == first.faults
    assert {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()} == files


def test_a_mask_is_stored_as_its_turned_image_is(tmp_path: Path) -> None:
    pairs = []
    for number, turn in enumerate((3, 6, 1)):
        image, mask = tmp_path / f"{number}.jpg", tmp_path / f"{number}.png"
        exif = Image.Exif()
        exif[0x0112] = turn
        Image.new("RGB", (48, 48), (90, 120, 60)).save(image, exif=exif)
        Image.fromarray(a_mask()[:, :40].astype(np.uint8) * 255).resize((48, 48)).save(mask)
        pairs.append(Pair(image, mask, str(number), "ours", "train"))
    held = drawn_mask_faults(pairs, 0.34, tmp_path / "faults")
    assert list(held.faults.values()) == [MaskFault.INVERTED]
    for place in range(3):  # whichever is drawn: each is asked
        turned = [*pairs[place:], *pairs[:place]]
        held = drawn_mask_faults(turned, 0.34, tmp_path / f"faults-{place}")
        both = [(a, b) for a, b in zip(turned, held.pairs, strict=True) if a != b]
        assert len(both) == 1
        assert (mask_of(both[0][1]) == ~mask_of(both[0][0])).all()


def test_copies_replace_other_images(pairs: tuple[Pair, ...], tmp_path: Path) -> None:
    held = drawn_copies(pairs, 0.34, tmp_path)
    assert len(held.pairs) == len(pairs)
    assert [copy.mirrored for copy in held.copies] == [False, True, False, True]
    assert len({copy.original for copy in held.copies} & set(held.pairs)) == 4
    assert len(set(held.pairs) & set(pairs)) == TRAIN - 4
    for copy in held.copies:
        step = -1 if copy.mirrored else 1
        (pixels, labels), (own, true) = read_labelled(copy.pair), read_labelled(copy.original)
        assert copy.pair.image.read_bytes().startswith(b"\xff\xd8")
        assert (labels.object[:, ::step] == true.object).all()
        assert 0 < np.abs(pixels[:, ::step].astype(int) - own).mean() < 12


def test_copies_of_half_of_an_odd_number_have_an_original_each(
    pairs: tuple[Pair, ...], tmp_path: Path
) -> None:
    held = drawn_copies(pairs[:7], 0.5, tmp_path)
    assert len({copy.original for copy in held.copies} & set(held.pairs)) == 3
    assert len(set(held.pairs) & set(pairs)) == 4


def test_the_audit_finds_copies_and_one_of_each_stays(
    pairs: tuple[Pair, ...], tmp_path: Path
) -> None:
    held = drawn_copies(pairs, 0.34, tmp_path)
    found = audit_copies(held.pairs, (), tmp_path / "facts")
    assert not any(copy.leak for copy in found)
    left = without_copies(held.pairs, found)
    for copy in held.copies:
        assert (copy.pair in left) != (copy.original in left)
    counts = copies_found("copy", held, found, held.pairs)
    assert [(one.kind, one.found, one.of) for one in counts] == [
        ("copy", 2, 2), ("copy, mirrored", 2, 2), ("no copy", 0, 4),
    ]  # fmt: skip
    none = copies_found("copy", held, found[1:], held.pairs)
    assert sum(one.found for one in none) == 3


def test_copies_of_scored_images_are_leaks(scenes: Path, tmp_path: Path) -> None:
    trains = tuple(find_pairs([scenes], "train").pairs)
    sets = sets_of_pairs(find_pairs([scenes], "test").pairs)
    held = add_leaks(trains, sets, tmp_path)
    assert held.pairs[:TRAIN] == trains
    assert [copy.original in scored_pairs(sets) for copy in held.copies] == [True]
    found = audit_copies(held.pairs, scored_pairs(sets), tmp_path / "facts")
    assert [copy.leak for copy in found] == [True]


def test_the_audit_is_counted_by_kind(pairs: tuple[Pair, ...], tmp_path: Path) -> None:
    held = drawn_mask_faults(pairs, SHARE, tmp_path)
    accused = audit_masks(held.pairs, tmp_path / "facts")
    kinds = {held.faults.get(key): found for key, found in accused.items()}
    assert kinds[MaskFault.EMPTY] == ("empty-mask",)
    assert kinds[MaskFault.INVERTED] == ("inverted-mask",)
    counts = {one.kind: (one.found, one.of) for one in masks_found("audit", held, accused)}
    assert counts == {
        "inverted": (1, 1), "empty": (1, 1), "of another image": (0, 1), "shifted": (0, 1),
        "grown": (0, 1), "sound": (0, TRAIN - 5),
    }  # fmt: skip
    every = masks_found("audit", held, {pair.key for pair in held.pairs})
    assert Counter({one.kind: one.found for one in every}).total() == TRAIN


def test_what_agrees_least_is_doubted() -> None:
    ious = {"a": 0.9, "b": 0.1, "c": 0.5, "d": 0.0, "e": 0.7}
    assert least_agreed(ious, 0.4) == {"b", "d"}


@pytest.fixture(scope="module")
def flags(scenes: Path) -> list[str]:
    work = scenes.parent
    return [
        *("--dataset-path", str(scenes), "--work", str(work / "work")),
        *("--json", str(work / "report.json"), "--share", str(SHARE)),
        *("--backbone", "test_efficientnet", "--epochs", "1", "--img-size", "64"),
        *("--batch-size", "3"),
        *("--num-workers", "0", "--device", "cpu", "--entry", "decamo-1"),
    ]


SOME = ("--arms", "clean", "mask-faults", "mask-faults-audited", "leak")


def report_of(flags: list[str]) -> Any:
    return json.loads(Path(flags[flags.index("--json") + 1]).read_text())


@pytest.fixture(scope="module")
def done(flags: list[str]) -> Any:
    before = contents(Path(flags[1]))
    assert main(["data-faults", *flags, *SOME]) == 0
    assert contents(Path(flags[1])) == before
    return report_of(flags)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.long
def test_arms_differ_in_what_trains_alone(done: Any) -> None:
    told = {run["told"]["network"]: run["told"] for run in done["runs"]}
    assert list(told) == ["clean", "mask faults", "mask faults, audited", "leak"]
    assert [one["train_images"] for one in told.values()] == [TRAIN, TRAIN, TRAIN - 2, TRAIN + 1]
    assert len({one["train_fingerprint"] for one in told.values()}) == 4
    assert len({json.dumps(one["optimise"]) for one in told.values()}) == 1
    # Of one seed and one set of images and masks all weights, and so all scores, would be the same.
    maes = {json.dumps(run["sets"]["COD10K-v3"]["scores"]["mae"]) for run in done["runs"]}
    assert len(maes) == 4


def test_leaks_are_looked_for(done: Any) -> None:
    assert [(one["arm"], one["images"]) for one in done["leaked"]] == [("clean", 1), ("leak", 1)]
    assert {"by": "audit", "kind": "leak", "found": 1, "of": 1, "seed": None} in done["found"]


def test_scores_are_parted_by_what_leaks(scenes: Path, tmp_path: Path) -> None:
    sets = sets_of_pairs(find_pairs([scenes], "test").pairs)
    held = add_leaks((), sets, tmp_path)
    stems = tuple(case.stem for case in sets[0].cases)
    ious = tuple(0.9 if stem == held.copies[0].original.stem else 0.2 for stem in stems)
    told = {"network": "leak", "seed": 4}
    score = Score(told, 1, 1.0, "raw", {"COD10K-v3": SetScores(stems, {"iou": ious})})
    (found,) = leaked_scores(held, [score], ["leak"])
    assert (found.leaked, found.others) == pytest.approx((0.9, 0.2))
    assert leaked_scores(held, [score], ["clean"]) == []
    assert "| COD10K-v3 | leak | 1 | 0.9000 | 0.2000 | 1 |" in leaked_markdown([found])


def test_differences_are_paired(done: Any) -> None:
    assert [(gap["ours"], gap["peer"]) for gap in done["gaps"]] == [
        ("mask faults", "clean"), ("mask faults, audited", "clean"), ("leak", "clean"),
        ("mask faults, audited", "mask faults"),
    ]  # fmt: skip


def test_the_same_command_trains_nothing_again(
    flags: list[str], done: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    work = Path(flags[flags.index("--work") + 1])
    files = {p: p.stat().st_mtime_ns for p in work.rglob("*.*p*")}
    assert any(path.suffix == ".pth" for path in files)
    assert main(["data-faults", *flags, *SOME]) == 0
    assert {p: p.stat().st_mtime_ns for p in work.rglob("*.*p*")} == files
    assert report_of(flags) == done
    assert "IoU on leaked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--share", "0.7"), "--share: got 0.7"),
        (("--share", "0.001"), "--share: got 0.001"),
        (("--hold-out", "1"), "--hold-out: got 1.0"),
        (("--share", "0.3"), "--work"),
    ],
)
def test_what_makes_no_sense_is_refused(
    more: tuple[str, ...],
    named: str,
    flags: list[str],
    done: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [*flags, *more, "--arms", "clean", "mask-faults"]
    if named != "--work":
        words += ["--work", str(tmp_path)]
    assert main(["data-faults", *words]) == 2
    assert named in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.pth"))  # nothing is trained before it is refused


@pytest.mark.long
def test_all_arms_are_trained_on_what_is_not_held_out(flags: list[str], tmp_path: Path) -> None:
    where = ("--work", str(tmp_path), "--json", str(tmp_path / "all.json"))
    words = ["data-faults", *flags, *where, "--hold-out", "0.25", "--seeds", "2"]
    assert main(words) == 0
    report = json.loads((tmp_path / "all.json").read_text())
    told = [run["told"] for run in report["runs"]]
    assert len({(one["network"], one["seed"]) for one in told}) == len(told) == 14
    images = {one["network"]: one["train_images"] for one in told}
    assert images["mask faults, by a network"] == 9 - 4
    assert images["copies, cleaned"] == 9 - 4
    assert len({stem for run in report["runs"] for stem in run["sets"]["COD10K-v3"]["images"]}) == 3
    network = [one for one in report["found"] if one["by"] == "a network"]
    assert {one["seed"] for one in network} == {0, 1}
    assert sum(one["found"] for one in network if one["seed"] == 0) == 4
    files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*p*")}
    assert main(words) == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*p*")} == files
