"""The run folder, durable atomic writes, safe loads."""

from decamo.storage.durable import (
    keep_copy,
    make_folder,
    replace_by_copy,
    storage_error,
    write_whole,
)
from decamo.storage.run_folder import RunFolder
from decamo.storage.sealed import FORMAT, load_sealed, previous_of, save_sealed

__all__ = [
    "FORMAT",
    "RunFolder",
    "keep_copy",
    "load_sealed",
    "make_folder",
    "previous_of",
    "replace_by_copy",
    "save_sealed",
    "storage_error",
    "write_whole",
]
