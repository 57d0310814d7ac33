"""Parquet tables as Hugging Face writes them: a column of images and one of masks, files in cells.

A module of its own, for pyarrow is an extra. A cell is a struct of ``bytes`` and ``path``, or
bytes. A row is read with its whole row group, of which the last few are kept.
"""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow
import pyarrow.parquet

from decamo.data.suffixes import IMAGE_SUFFIXES
from decamo.errors import DataError, UnreadableImage

__all__ = ["IMAGE", "MASK", "Shard", "extension_of", "open_shard", "read_cell"]

IMAGE, MASK = "image", "mask"
_IMAGE_WORDS = ("image", "img", "images", "photo", "picture", "rgb", "input")
_MASK_WORDS = (
    "mask", "masks", "label", "labels", "annotation", "gt", "segmentation", "seg", "target",
    "ground_truth", "groundtruth", "semantic_mask", "segmentation_mask",
)  # fmt: skip
_LARGEST = 2**31  # bytes of a row group
_MAGIC = ((b"\xff\xd8", ".jpg"), (b"\x89PNG", ".png"), (b"RIFF", ".webp"), (b"BM", ".bmp"))
_REMEDY = "name the columns image and mask, and embed the files' bytes"


@dataclass(frozen=True)
class Shard:
    """One file of a table.

    Attributes:
        path: the file.
        columns: names of the columns of images and of masks.
        begins: the first row of each row group, and the number of rows.
        names: of each row, the image's file name, empty where nobody knows.
    """

    path: Path
    columns: dict[str, str]
    begins: tuple[int, ...]
    names: tuple[str, ...]
    file: Any = field(repr=False, compare=False)
    lock: threading.Lock = field(repr=False, compare=False)


def open_shard(path: Path) -> Shard:
    """A table's file, its structure read once a process.

    Raises:
        DataError: no parquet, or no column of images or of masks, or several.
    """
    found = path.stat()
    return _opened(str(path), found.st_mtime_ns, found.st_size, os.getpid())


def read_cell(path: Path, name: str) -> bytes:
    """The file in a cell.

    Args:
        path: of the table.
        name: ``ROW/image/NAME`` or ``ROW/mask/NAME``.

    Raises:
        FileNotFoundError: there is no such cell.
        UnreadableImage: it holds no bytes.
        DataError: as :func:`open_shard`.
    """
    row, _, rest = name.partition("/")
    role = rest.partition("/")[0]
    shard = open_shard(path)
    if not row.isdecimal() or role not in shard.columns or int(row) >= shard.begins[-1]:
        raise FileNotFoundError(2, "no such cell in the table", str(path / name))
    group = sum(begin <= int(row) for begin in shard.begins) - 1
    cells = _group(shard, shard.columns[role], group)
    cell = cells[int(row) - shard.begins[group]].as_py()
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        raise UnreadableImage(path / name, "the cell holds no bytes", _REMEDY)
    return data


@lru_cache(maxsize=64)
def _opened(text: str, changed: int, size: int, process: int) -> Shard:
    path = Path(text)
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(path, f"no parquet that can be read ({error})", "write it anew") from error
    columns = _columns(path, file.schema_arrow)
    sizes = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    if any(group.total_byte_size > _LARGEST for group in sizes):
        got = f"a row group of over {_LARGEST / 1e9:.0f} GB"
        raise DataError(path, got, "write it with fewer rows a group")
    begins = [0]
    for group in sizes:
        begins.append(begins[-1] + group.num_rows)
    names = _names(file, columns[IMAGE])
    return Shard(path, columns, tuple(begins), names, file, threading.Lock())


def _columns(path: Path, schema: Any) -> dict[str, str]:
    kinds = {name: schema.field(name).type for name in schema.names}
    able = [name for name, kind in kinds.items() if _holds_files(kind)]
    found = {}
    for role, words in ((IMAGE, _IMAGE_WORDS), (MASK, _MASK_WORDS)):
        fits = [name for word in words for name in able if name.casefold() == word]
        if not fits:
            got = f"no column of {role}s; those that hold files are {', '.join(able) or 'none'}"
            raise DataError(path, got, _REMEDY)
        found[role] = fits[0]
    return found


def _holds_files(kind: Any) -> bool:
    types = pyarrow.types
    if types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _names(file: Any, column: str) -> tuple[str, ...]:
    """The names that images had, with an extension that fits the first one where they had none."""
    rows = file.metadata.num_rows
    kind = file.schema_arrow.field(column).type
    paths: Sequence[Any] = [None] * rows
    if pyarrow.types.is_struct(kind) and kind.get_field_index("path") >= 0:
        table = file.read(columns=[f"{column}.path"], use_threads=False)
        paths = [cell and cell["path"] for cell in table.column(0).to_pylist()]
    names = [str(path or "").replace("\\", "/").rpartition("/")[2] for path in paths]
    return tuple(n if PurePosixPath(n).suffix.lower() in IMAGE_SUFFIXES else "" for n in names)


def extension_of(data: bytes) -> str:
    """What a file's first bytes say that it is."""
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), ".png")


def _group(shard: Shard, column: str, group: int) -> Any:
    stamp = shard.path.stat().st_mtime_ns
    return _read_group(str(shard.path), stamp, column, group, os.getpid())


@lru_cache(maxsize=4)
def _read_group(text: str, changed: int, column: str, group: int, process: int) -> Any:
    shard = open_shard(Path(text))
    with shard.lock:
        table = shard.file.read_row_group(group, columns=[column], use_threads=False)
    return table.column(0)
