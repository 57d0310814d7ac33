"""The run folder, durable atomic writes, safe loads, recovery of what was damaged."""

from decamo.storage.durable import (
    keep_copy,
    make_folder,
    replace_by_copy,
    storage_error,
    sync_folder,
    write_whole,
)
from decamo.storage.formats import FORMAT, UPGRADES, Upgrade, upgraded
from decamo.storage.keeping import epochs_to_keep, snapshot_name, snapshots_in
from decamo.storage.recover import Recovered, load_or_previous, newest_of
from decamo.storage.run_folder import RunFolder
from decamo.storage.sealed import load_sealed, previous_of, read_sealed, save_sealed, sealed_outline
from decamo.storage.space import check_space, file_bytes, run_bytes
from decamo.storage.structure import validate_state

__all__ = [
    "FORMAT",
    "UPGRADES",
    "Recovered",
    "RunFolder",
    "Upgrade",
    "check_space",
    "epochs_to_keep",
    "file_bytes",
    "keep_copy",
    "load_or_previous",
    "load_sealed",
    "make_folder",
    "newest_of",
    "previous_of",
    "read_sealed",
    "replace_by_copy",
    "run_bytes",
    "save_sealed",
    "sealed_outline",
    "snapshot_name",
    "snapshots_in",
    "storage_error",
    "sync_folder",
    "upgraded",
    "validate_state",
    "write_whole",
]
