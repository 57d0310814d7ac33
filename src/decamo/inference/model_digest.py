"""Which network it is, by the bytes of its files."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from decamo.storage import storage_error

__all__ = ["model_digest"]


def model_digest(path: Path, code: str = "") -> str:
    """The sha256 of a checkpoint, an exported network with its weights, or a folder of a network.

    Args:
        path: of the file or folder.
        code: ``FILE.py:FUNCTION`` of its network, whose file counts too; empty for none.

    Raises:
        StorageError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for file in [*_files_of(path), *([Path(code.rpartition(":")[0])] if code else [])]:
        if not file.is_file():
            continue
        try:
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        except OSError as error:
            raise storage_error(file, error) from error
    return digest.hexdigest()


def _files_of(path: Path) -> Iterable[Path]:
    if path.is_dir():
        return sorted(path.rglob("*"))
    if path.suffix.lower() == ".xml":  # OpenVINO keeps its weights beside it
        return path, path.with_suffix(".bin")
    return path, path.with_name(f"{path.name}.data")  # ONNX keeps those of over 2 GB so
