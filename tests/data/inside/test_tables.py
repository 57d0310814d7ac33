import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from decamo.data.census import take_census
from decamo.data.layouts import find_pairs
from decamo.data.reading import read_pair
from decamo.errors import DataError
from tests.data.inside.sets import assert_same, masks_of


def rows_of(scenes: Path, split: str) -> list[tuple[Path, Path]]:
    images = sorted((scenes / split / "Image").iterdir())
    return [(path, scenes / split / "GT_Object" / f"{path.stem}.png") for path in images]


def cell(path: Path) -> dict[str, Any]:
    return {"bytes": path.read_bytes(), "path": path.name}


def to_parquet(scenes: Path, out: Path, mask: str = "mask") -> Path:
    (out / "data").mkdir(parents=True)
    for split, half, shards in (("Train", "train", 2), ("Test", "test", 1)):
        rows = rows_of(scenes, split)
        for shard in range(shards):
            part = rows[shard::shards]
            columns = {"image": [cell(i) for i, _ in part], mask: [cell(m) for _, m in part],
                       "caption": ["x"] * len(part)}  # fmt: skip
            name = f"{half}-{shard:05d}-of-{shards:05d}.parquet"
            pq.write_table(pa.table(columns), out / "data" / name, row_group_size=2)
    return out


def test_cells_are_the_files_of_the_folders(scenes: Path, tmp_path: Path) -> None:
    root = to_parquet(scenes, tmp_path / "Frogs")
    assert_same(root, scenes)
    found = find_pairs([root], "train")
    assert found.sources == ("Frogs: 10 pairs in train-00000-of-00002.parquet and 1 more, Parquet",)
    ours, theirs = (take_census(find_pairs([r], "train").pairs, workers=2) for r in (root, scenes))
    assert [(e.image_digest, e.mask_digest) for e in ours.entries] == [
        (e.image_digest, e.mask_digest) for e in theirs.entries
    ]


def test_a_table_can_be_named(scenes: Path, tmp_path: Path) -> None:
    root = to_parquet(scenes, tmp_path / "Frogs", "label")
    path = root / "data" / "train-00001-of-00002.parquet"
    assert len(find_pairs([path], "train").pairs) == 5


def test_rows_without_names_are_numbered(scenes: Path, tmp_path: Path) -> None:
    rows = rows_of(scenes, "Train")
    columns = {
        "image": [i.read_bytes() for i, _ in rows],
        "mask": [m.read_bytes() for _, m in rows],
    }
    (tmp_path / "Mine").mkdir()
    pq.write_table(pa.table(columns), tmp_path / "Mine" / "mine.parquet")
    pairs = find_pairs([tmp_path / "Mine" / "mine.parquet"], "train").pairs
    assert [pair.stem for pair in pairs] == [f"{n:06d}" for n in range(10)]
    for pair, (image, mask) in zip(pairs, rows, strict=True):
        assert pair.image.read_bytes() == image.read_bytes()
        np.testing.assert_array_equal(read_pair(pair)[1], np.asarray(Image.open(mask)) > 127)


def test_what_datasets_writes(scenes: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = rows_of(scenes, "Train")
    features = datasets.Features({"image": datasets.Image(), "mask": datasets.Image()})
    want = masks_of(scenes, "Train")
    drawn = [Image.fromarray(want[i.stem].astype(np.uint8) * 255) for i, _ in rows]
    held = {"image": [cell(i) for i, _ in rows], "mask": drawn}
    made = datasets.Dataset.from_dict(held, features=features)
    (tmp_path / "set").mkdir()
    made.to_parquet(tmp_path / "set" / "train-00000-of-00001.parquet")
    pairs = find_pairs([tmp_path / "set"], "train").pairs
    assert {pair.stem for pair in pairs} == want.keys()
    for pair in pairs:
        np.testing.assert_array_equal(read_pair(pair)[1], want[pair.stem])


def test_tables_that_cannot_be_read_are_named(scenes: Path, tmp_path: Path) -> None:
    bad = tmp_path / "Mine" / "bad.parquet"
    bad.parent.mkdir()
    bad.write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match=r"bad\.parquet: no parquet that can be read"):
        find_pairs([bad], "train")
    pq.write_table(pa.table({"image": [b"x"], "words": ["y"]}), bad)
    with pytest.raises(DataError, match="no column of masks; those that hold files are image"):
        find_pairs([bad], "train")
    out = io.BytesIO()
    Image.new("RGB", (20, 20)).save(out, "PNG")
    png = {"bytes": out.getvalue(), "path": None}
    columns = {"image": [png, png], "mask": [png, {"bytes": None, "path": "gone.png"}]}
    pq.write_table(pa.table(columns), bad)
    census = take_census(find_pairs([bad], "train").pairs, workers=1)
    assert [b.reason for b in census.bad] == ["the cell holds no bytes"]


def test_parquet_without_pyarrow_is_one_line(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = to_parquet(scenes, tmp_path / "Frogs")
    monkeypatch.setattr("decamo.data.annotations.find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"parquet needs pyarrow; pip install 'decamo\[annotations"):
        find_pairs([root], "train")
