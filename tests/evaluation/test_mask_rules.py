from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.pairs import Pair
from decamo.data.rules import Plane
from decamo.errors import SettingsError
from decamo.evaluation import Convention, rule_sets, sets_of_masks
from decamo.evaluation.truth import read_truth
from tests.evaluation.conftest import Grey, square, write_greys


def made(folder: Path, masks: dict[str, Grey], *given: str) -> list[tuple[Grey, Grey, int]]:
    """Each mask by both conventions, and its brightest level."""
    ruled = rule_sets(sets_of_masks([("SET", write_greys(folder, masks))]), given=given)
    truths = [read_truth(case, with_image=False)[0] for case in ruled.sets[0].cases]
    return [
        (t.by(Convention.PLAIN).astype(np.uint8), t.by(Convention.PUBLISHED).astype(np.uint8),
         t.brightest)
        for t in truths
    ]  # fmt: skip


def test_a_grey_of_128_is_object_by_the_plain_convention_alone(tmp_path: Path) -> None:
    soft = square(2, 3, 9)
    soft[2, 3:12], soft[3, 3:12], soft[10, 3:12] = 128, 129, 127
    many = {f"m{n}": square(2, 3, 5) for n in range(5)} | {"soft": soft}
    *rest, (plain, published, brightest) = made(tmp_path, many)
    assert np.array_equal(plain, soft >= 128)
    assert np.array_equal(published, soft > 128)
    assert brightest == 255
    assert all(np.array_equal(a, b) for a, b, _ in rest)


@pytest.mark.parametrize("level", [1, 100, 200, 254])
def test_one_level_in_all_files_is_the_object_for_both(tmp_path: Path, level: int) -> None:
    masks = {f"m{n}": square(2, 3, 5 + n) // 255 * np.uint8(level) for n in range(5)}
    for (plain, published, brightest), mask in zip(
        made(tmp_path, masks), masks.values(), strict=True
    ):
        assert np.array_equal(plain, mask > 0)
        assert np.array_equal(published, mask > 0)
        assert brightest == level


def test_what_a_user_says_of_128_holds_for_both(tmp_path: Path) -> None:
    masks = {f"m{n}": square(2, 3, 5 + n) // 255 * np.uint8(128) for n in range(5)}
    assert not any(published.any() for _, published, _ in made(tmp_path / "a", masks))
    for (plain, published, _), mask in zip(
        made(tmp_path / "b", masks, "object=128"), masks.values(), strict=True
    ):
        assert np.array_equal(plain, published)
        assert np.array_equal(plain, mask > 0)


def test_a_mask_that_is_turned_with_its_image_is_turned_in_both(tmp_path: Path) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[1:5, 2:9], mask[5, 2:9], mask[6, 2:9], mask[7, 2:9] = 255, 190, 128, 60
    Image.fromarray(mask).save(tmp_path / "m.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "i.jpg", exif=exif)
    (one,) = sets_of_masks([("SET", write_greys(tmp_path / "GT", {"m": mask}))])
    pair = Pair(tmp_path / "i.jpg", tmp_path / "m.png", "m", "SET", "test")
    case = replace(one.cases[0], mask=tmp_path / "m.png", pair=pair)
    (ruled,) = rule_sets([replace(one, cases=(case,))]).sets
    truth, _ = read_truth(ruled.cases[0], with_image=False)
    assert truth.shape == (30, 20)
    assert np.array_equal(truth.by(Convention.PLAIN), np.rot90(mask >= 128, -1))
    assert np.array_equal(truth.by(Convention.PUBLISHED), np.rot90(mask > 128, -1))


def test_what_was_decided_is_told_and_kept(tmp_path: Path) -> None:
    ids = {f"m{n}": square(2, 3, 5 + n) // 255 * np.uint8(1 + n % 3) for n in range(6)}
    ruled = rule_sets(sets_of_masks([("SET", write_greys(tmp_path, ids))]))
    assert ruled.lines[0].startswith("masks of SET: ")
    assert ruled.sets[0].meaning == ruled.lines[0]
    assert ruled.sets[0].cases[0].rule.mask.plane is not Plane.EACH
    with pytest.raises(SettingsError, match="VOC:object=1"):
        rule_sets(ruled.sets, given=["VOC:object=1"])


def test_a_mask_that_cannot_be_read_is_left_to_scoring(tmp_path: Path) -> None:
    folder = write_greys(tmp_path, {"a": square(2, 3, 5), "b": square(2, 3, 6)})
    (folder / "a.png").write_bytes(b"")
    (one,) = rule_sets(sets_of_masks([("SET", folder)])).sets
    assert [case.brightest for case in one.cases] == [0, 255]
