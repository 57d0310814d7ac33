"""Weights & Biases, online where there is a key for it, else as files for ``wandb sync``."""

import os
import secrets
import struct
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from decamo.trackers.scalars import Row
from decamo.trackers.tracking import TrackedRun

__all__ = ["Wandb", "open_wandb"]

_WRITTEN_S = 20.0  # until the file of an offline run has what its service was handed
_BLOCK, _HEADER = 32768, struct.Struct("<IHB")  # of the log format of LevelDB, as its files are


class Wandb:
    """One run of Weights & Biases.

    Args:
        run: as ``wandb.init`` gives it.
        folder: where its own files lie.
    """

    def __init__(self, run: Any, folder: Path) -> None:
        self._run, self._folder = run, folder
        self._next = 0  # behind the last step handed over

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self._run.id)

    def position(self) -> int:
        """The service tells it; offline, its files do, as a kill loses what it had not written."""
        if not self._run.offline:
            return int(self._run.step)
        # Of two that begin within a second, the later one's folder ends in -1.
        files = self._folder.glob(f"wandb/offline-run-*-{self.id}*/*.wandb")
        return max((step + 1 for file in files for step in _steps(file)), default=0)

    def log(self, rows: Sequence[Row]) -> None:
        """Hand the numbers to its service."""
        for step, values in rows:
            self._run.log(dict(values), step=step)
            self._next = step + 1

    def close(self) -> None:
        """Wait for its service; offline, ``finish`` comes back before its file is written."""
        self._run.finish()
        patience = time.monotonic() + _WRITTEN_S
        while self._run.offline and self.position() < self._next and time.monotonic() < patience:
            time.sleep(0.05)


def open_wandb(run: TrackedRun) -> Wandb:
    """Begin a run, or go on with it.

    Project, server, key and mode are taken from Weights & Biases' own variables, such as
    ``WANDB_PROJECT`` and ``WANDB_MODE``; without a key it works offline and asks nobody for one.
    """
    wandb = import_module("wandb")
    folder = run.folder / "trackers"
    mode = os.environ.get("WANDB_MODE") or ("online" if wandb.api.api_key else "offline")
    opened = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "decamo"),
        name=os.environ.get("WANDB_NAME", run.folder.resolve().name),
        id=run.id or secrets.token_hex(4),
        resume="allow",
        mode=mode,
        dir=folder,
        config=run.flat_settings,
        settings=wandb.Settings(console="off", silent=True),
    )
    return Wandb(opened, folder)


def _steps(path: Path) -> Iterator[int]:
    """The steps whose numbers a file of an offline run holds, as far as it was written."""
    record = import_module("wandb.proto.wandb_internal_pb2").Record
    for data in _records(path.read_bytes()):
        entry = record.FromString(data)
        if entry.WhichOneof("record_type") == "history":
            items = {item.key or ".".join(item.nested_key): item for item in entry.history.item}
            if "_step" in items:
                yield int(items["_step"].value_json)


def _records(content: bytes) -> Iterator[bytes]:
    """The records of LevelDB's log format after a header of 7 bytes; a torn end is passed over."""
    at, parts = _HEADER.size, b""
    while at + _HEADER.size <= len(content):
        if (left := _BLOCK - at % _BLOCK) < _HEADER.size:
            at += left
            continue
        _, length, kind = _HEADER.unpack_from(content, at)
        if kind == 0 or at + _HEADER.size + length > len(content):
            return
        at += _HEADER.size
        parts += content[at : at + length]
        at += length
        if kind in (1, 4):  # whole, or the last part of it
            yield parts
            parts = b""
