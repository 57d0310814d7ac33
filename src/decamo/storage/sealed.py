"""One checkpoint file: a torch archive that carries its own digest, loaded without unpickling code.

``torch.save`` writes a zip archive; a zip may end in a comment, which every reader skips. Ours is
``decamo-checkpoint-1 <sha256 of all bytes before the digest>``. So one file can be copied
anywhere, plain ``torch.load(..., weights_only=True)`` reads it, and a flipped bit or a missing end
is found before anything is believed.
"""

import hashlib
import io
import re
import struct
from pathlib import Path
from typing import Any

import torch

from decamo.errors import CheckpointDamaged, CheckpointForeign, CheckpointMissing
from decamo.storage.durable import write_whole

__all__ = ["FORMAT", "load_sealed", "previous_of", "save_sealed"]

FORMAT = 1
_NAME = f"decamo-checkpoint-{FORMAT} ".encode()
_SEAL = re.compile(rb"decamo-checkpoint-\d+ ([0-9a-f]{64})\Z")
_SEAL_LENGTH = 128  # no seal is longer
_DIGEST_LENGTH = 64
_END = b"PK\x05\x06"  # end of central directory, 22 bytes with an empty comment (APPNOTE 4.3.16)
_END_LENGTH = 22


def previous_of(path: Path) -> Path:
    """``last.pth`` -> ``last.previous.pth``: the good file that the newest one replaced."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save_sealed(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors and plain values) durably; the file before it is kept beside it.

    Raises:
        StorageError: it could not be written; the old file is untouched.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    body = buffer.getbuffer()[:-2]  # without the two bytes of the comment's length, 0 so far
    head = struct.pack("<H", len(_NAME) + _DIGEST_LENGTH) + _NAME
    digest = hashlib.sha256(body)
    digest.update(head)
    seal = head + digest.hexdigest().encode()
    write_whole(path, body, seal, previous=previous_of(path))


def load_sealed(path: Path) -> dict[str, Any]:
    """Read a checkpoint after its digest matched; tensors on the CPU.

    Raises:
        CheckpointMissing: there is no such file.
        CheckpointDamaged: truncated or altered.
        CheckpointForeign: not written by decamo, or it holds more than tensors and plain values.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointMissing(path, error.strerror or str(error), _siblings(path)) from error
    _check_seal(path, data)
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises anything at all on a file made to mislead
        raise _foreign(path, "it holds more than tensors and plain values") from error
    if not isinstance(state, dict) or "format" not in state:
        raise _foreign(path, "it holds no decamo run")
    if state["format"] != FORMAT:
        raise CheckpointForeign(path, f"format {state['format']}", "update decamo to read it")
    return state


def _check_seal(path: Path, data: bytes) -> None:
    seal = _SEAL.search(data[-_SEAL_LENGTH:])
    if seal is not None:
        body = memoryview(data)[:-_DIGEST_LENGTH]
        if hashlib.sha256(body).hexdigest().encode() != seal.group(1):
            raise _damaged(path, "altered: its digest does not match")
        return
    complete_zip = data[-_END_LENGTH:].startswith(_END) and data.endswith(b"\0\0")
    if not data or (data.startswith(b"PK") and not complete_zip):
        raise _damaged(path, f"truncated: it ends after {len(data):,} bytes without a seal")
    raise _foreign(path, "not a decamo checkpoint")


def _damaged(path: Path, got: str) -> CheckpointDamaged:
    previous = previous_of(path)
    if previous.exists():
        return CheckpointDamaged(path, got, f"use the one before it: {previous}")
    return CheckpointDamaged(path, got, "copy it again from where it came, or use another one")


def _foreign(path: Path, got: str) -> CheckpointForeign:
    return CheckpointForeign(
        path,
        got,
        "nothing in it was executed; to start from the backbone of another program's checkpoint,"
        " give it as --backbone-weights instead of --resume-from",
    )


def _siblings(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    found = sorted(p.name for p in folder.glob("*.pth")) if folder.is_dir() else []
    if found:
        return f"{folder} has {', '.join(found[:4])}"
    return f"no checkpoint lies in {folder}; check the path"
