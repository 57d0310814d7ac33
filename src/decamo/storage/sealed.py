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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch

from decamo.errors import CheckpointDamaged, CheckpointForeign, CheckpointMissing, StorageError
from decamo.settings.addresses import address_in
from decamo.storage.archive import REMEDY, outline_of
from decamo.storage.checkpoint_structure import validate_state
from decamo.storage.durable import check_space, previous_of, write_whole
from decamo.storage.formats import FORMAT, upgraded

__all__ = ["FORMAT", "is_sealed", "load_sealed", "read_sealed", "save_sealed", "sealed_outline"]

_NAME = f"decamo-checkpoint-{FORMAT} ".encode()
_SEAL = re.compile(rb"decamo-checkpoint-\d+ ([0-9a-f]{64})\Z")
_SEAL_LENGTH = 128  # no seal is longer
_DIGEST_LENGTH = 64
_END = b"PK\x05\x06"  # end of central directory, 22 bytes with an empty comment (APPNOTE 4.3.16)
_END_LENGTH = 22
_CHUNK = 2**20
_PAGE = 4096


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
    check_space(path.parent, len(body) + len(seal))
    write_whole(path, body, seal, previous=previous_of(path))


def load_sealed(path: Path) -> dict[str, Any]:
    """Read a checkpoint of any format after its digest matched; tensors on the CPU.

    Returns:
        a state of the present format with every field of its type.

    Raises:
        CheckpointMissing: there is no such file.
        CheckpointDamaged: truncated or altered.
        CheckpointForeign: not written by decamo, or it holds something else than a run.
    """
    state = upgraded(path, read_sealed(path))
    validate_state(path, state)
    return state


def read_sealed(path: Path) -> dict[str, Any]:
    """What the file holds, in the format in which it was written; errors of :func:`load_sealed`."""
    with _opened(path) as file:
        _check_seal(path, file)
        outline_of(path, file)
        file.seek(0)
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except MemoryError as error:
            got = "not enough memory to read it"
            raise StorageError(path, got, "end other programs, or use a larger machine") from error
        except Exception as error:  # the unpickler raises anything at all on what it dislikes
            raise _foreign(path, f"torch cannot read it ({type(error).__name__})") from error
    return _run_in(path, state)


def sealed_outline(path: Path, *, check: bool = True) -> dict[str, Any]:
    """What the file holds without the values of its tensors: quick, and small in memory.

    Args:
        path: the checkpoint.
        check: False leaves the digest out; then nothing in the answer can be relied on.

    Raises:
        CheckpointError: as :func:`load_sealed`.
    """
    with _opened(path) as file:
        if check:
            _check_seal(path, file)
        return _run_in(path, outline_of(path, file))


def is_sealed(path: Path) -> bool:
    """Whether a file ends as decamo's checkpoints do, whole or altered."""
    with _opened(path) as file:
        file.seek(max(file.seek(0, io.SEEK_END) - _SEAL_LENGTH, 0))
        return _SEAL.search(file.read()) is not None


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise CheckpointMissing(path, error.strerror or str(error), _siblings(path)) from error
    with file:
        try:
            yield file
        except OSError as error:
            said = f"cannot be read: {error.strerror or error}"
            raise _damaged(path, said) from error


def _run_in(path: Path, state: Any) -> dict[str, Any]:
    if not isinstance(state, dict) or "format" not in state:
        raise _foreign(path, "it holds no decamo run")
    return state


def _check_seal(path: Path, file: BinaryIO) -> None:
    length = file.seek(0, io.SEEK_END)
    file.seek(max(length - _SEAL_LENGTH, 0))
    tail = file.read()
    file.seek(0)
    seal = _SEAL.search(tail)
    if seal is not None:
        if _digest(file, length - _DIGEST_LENGTH).encode() != seal.group(1):
            raise _damaged(path, "altered: its digest does not match")
        return
    head = file.read(_PAGE)
    complete_zip = tail[-_END_LENGTH:].startswith(_END) and tail.endswith(b"\0\0")
    # A power cut can leave a file of the right length whose pages were never written.
    blank = not head.strip(b"\0")
    if blank or head == b"P" or (head.startswith(b"PK") and not complete_zip):
        raise _damaged(path, f"truncated: it ends after {length:,} bytes without a seal")
    raise _foreign(path, "not a decamo checkpoint")


def _digest(file: BinaryIO, length: int) -> str:
    digest = hashlib.sha256()
    while length > 0 and (chunk := file.read(min(length, _CHUNK))):
        digest.update(chunk)
        length -= len(chunk)
    return digest.hexdigest()


def _damaged(path: Path, got: str) -> CheckpointDamaged:
    previous = previous_of(path)
    if previous.exists():
        return CheckpointDamaged(path, got, f"use the one before it: {previous}")
    return CheckpointDamaged(path, got, "copy it again from where it came, or use another one")


def _foreign(path: Path, got: str) -> CheckpointForeign:
    return CheckpointForeign(path, got, REMEDY)


def _siblings(path: Path) -> str:
    if address_in(path):
        return "no address is read here: copy the file to this machine, and name that"
    folder = path if path.is_dir() else path.parent
    found = sorted(p.name for p in folder.glob("*.pth")) if folder.is_dir() else []
    if found:
        return f"{folder} has {', '.join(found[:4])}"
    return f"no checkpoint lies in {folder}; check the path"
