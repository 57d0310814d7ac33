import ast
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from decamo.data.audit import findings
from decamo.data.audit.findings import (
    FULL,
    SEVERITIES,
    Finding,
    file_findings,
    pair_findings,
    severity_of,
)
from decamo.data.audit.look import FileFacts, look_at
from decamo.data.pairs import Pair
from decamo.data.reading import read_pair
from decamo.errors import UnreadableImage
from tests.data.audit.malformed import encoded, exif, outline, photo

IMAGE = FileFacts("a.jpg", "image", format="JPEG", mode="RGB", stored=(40, 60), shown=(40, 60))
MASK = FileFacts(
    "a.png", "mask", format="PNG", mode="L", stored=(40, 60), shown=(40, 60), foreground=0.1
)


def kinds(facts: FileFacts) -> set[str]:
    return {finding.kind for finding in file_findings(facts)}


def test_sound_files_have_none() -> None:
    assert kinds(IMAGE) == kinds(MASK) == set()


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        (replace(IMAGE, orientation=6), "exif-orientation"),
        (replace(IMAGE, mode="CMYK"), "unusual-mode"),
        (replace(IMAGE, bits=16), "unusual-mode"),
        (replace(IMAGE, suffix_fits=False), "wrong-extension"),
        (replace(IMAGE, frames=2), "several-frames"),
        (replace(IMAGE, trailing=1), "trailing-bytes"),
        (replace(IMAGE, trailing=1, frames=2, format="MPO"), "several-frames"),
        (replace(IMAGE, shown=(15, 60)), "tiny"),
        (replace(MASK, mode="RGBA"), "unusual-mode"),
        (replace(MASK, foreground=0.0), "empty-mask"),
        (replace(MASK, foreground=0.0, path="COD10K-NonCAM-1-x.png"), "noncam"),
        (replace(MASK, foreground=FULL), "full-mask"),
        (replace(MASK, format="JPEG"), "lossy-mask"),
        (replace(MASK, grey=1e-6), "grey-mask"),
    ],
)
def test_each_oddity_is_told_alone(facts: FileFacts, kind: str) -> None:
    assert kinds(facts) == {kind}


def test_a_faulty_file_is_told_for_its_fault_alone() -> None:
    facts = replace(IMAGE, fault="truncated", reason="cut", frames=3)
    assert file_findings(facts) == [Finding("truncated", Path("a.jpg"), "cut")]
    assert file_findings(facts)[0].severity == "broken"


def test_every_kind_that_the_package_says_has_a_severity() -> None:
    folder = Path(findings.__file__).parent
    said = {
        node.args[0].value
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "Finding"
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(said) >= 8
    for kind in said:
        assert severity_of(str(kind)) in SEVERITIES


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (48, 63)])
def test_pairs_that_fit_are_those_that_training_accepts(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    image, mask = tmp_path / "a.jpg", tmp_path / "a.png"
    pair = Pair(image, mask, "a", "set", "train")
    for turn, mask_turn in product(range(1, 9), (1, 3, 6)):
        image.write_bytes(encoded(photo(1), "JPEG", exif=exif(turn)))
        mask.write_bytes(encoded(outline(size), "PNG", exif=exif(mask_turn)))
        facts = [
            FileFacts.from_plain(look_at(str(path), role))
            for path, role in ((image, "image"), (mask, "mask"))
        ]
        found = pair_findings(pair, *facts)
        assert [f.detail for f in found] == complaint(pair), (turn, mask_turn)


def complaint(pair: Pair) -> list[str]:
    try:
        read_pair(pair)
    except UnreadableImage as error:
        return [error.got]
    return []


def test_nothing_is_said_of_a_pair_with_a_faulty_file() -> None:
    pair = Pair(Path("a.jpg"), Path("a.png"), "a", "set", "train")
    other = replace(MASK, stored=(9, 9), shown=(9, 9))
    assert pair_findings(pair, IMAGE, other)
    assert pair_findings(pair, IMAGE, replace(other, fault="damaged")) == []
