"""Which files are taken for annotations, and which of those are refused."""

import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decamo.data import annotations
from decamo.data.annotations import _seems_coco, sources_at
from decamo.errors import DataError


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("{", False),
        ("[" * 100_000, False),
        ('{"images": [], "annotations": []}', False),
        ('{"images": [], "annotations": [{"caption": "a frog"}]}', False),
        ('{"images": [], "annotations": [{"segmentation": []}]}', True),
        ('{"images": [], "annotations": [{"segments_info": []}]}', True),
    ],
)
def test_what_seems_to_be_coco(tmp_path: Path, text: str, is_one: bool) -> None:
    (tmp_path / "a.json").write_text(text)
    assert _seems_coco(tmp_path / "a.json") is is_one
    assert not _seems_coco(tmp_path / "none.json")


def test_a_json_that_is_too_long_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotations, "LONGEST", 10)
    (tmp_path / "a.json").write_text('{"images": []}')
    with pytest.raises(DataError, match=r"a\.json: a json of over 0 GB; split it"):
        sources_at(tmp_path / "a.json")


def test_a_table_within_a_zip_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"x"], "mask": [b"x"]}), tmp_path / "a.parquet")
    with zipfile.ZipFile(tmp_path / "frogs.zip", "w") as file:
        file.write(tmp_path / "a.parquet", "data/a.parquet")
    with pytest.raises(DataError, match=r"a table within a zip is not read; unpack the zip"):
        sources_at(tmp_path / "frogs.zip")
