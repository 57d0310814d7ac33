"""The run folder, durable atomic writes, room on the disk.

Checkpoints need torch: they are in `sealed`, `archive` and `checkpoint_structure`.
"""

from decamo.storage.durable import (
    check_space,
    file_bytes,
    keep_copy,
    make_folder,
    previous_of,
    replace_by_copy,
    run_bytes,
    storage_error,
    streamed_whole,
    sync_folder,
    write_whole,
)
from decamo.storage.keeping import epochs_to_keep, snapshot_name, snapshots_in
from decamo.storage.run_folder import RunFolder

__all__ = [
    "RunFolder",
    "check_space",
    "epochs_to_keep",
    "file_bytes",
    "keep_copy",
    "make_folder",
    "previous_of",
    "replace_by_copy",
    "run_bytes",
    "snapshot_name",
    "snapshots_in",
    "storage_error",
    "streamed_whole",
    "sync_folder",
    "write_whole",
]
