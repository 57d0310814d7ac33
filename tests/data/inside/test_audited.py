from pathlib import Path

import pytest

from decamo.data.audit import audit_data
from decamo.data.converting import Target, convert_data
from tests.data.inside.sets import to_zip


@pytest.mark.parametrize("kind", ["zip", Target.COCO, Target.YOLO, Target.LABELME])
def test_an_audit_says_of_annotations_what_it_says_of_the_folders(
    scenes: Path, tmp_path: Path, kind: str
) -> None:
    place = tmp_path / "Frogs"
    if kind == "zip":
        place = to_zip(scenes, tmp_path / "Frogs.zip")
    else:
        convert_data(scenes, place, Target(kind))
    ours, theirs = (audit_data([root], workers=1) for root in (place, scenes))
    assert [(f.kind, f.path.stem) for f in ours.findings] == [
        (f.kind, f.path.stem) for f in theirs.findings
    ]
    assert [m.lines for m in ours.meanings] == [m.lines for m in theirs.meanings]
    assert [(e.pair.key, e.image_digest, e.foreground) for e in ours.census.entries] == [
        (e.pair.key, e.image_digest, e.foreground) for e in theirs.census.entries
    ]
