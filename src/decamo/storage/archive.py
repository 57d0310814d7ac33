"""Look through a torch archive before torch does: sizes, places, names and every pickled opcode.

``torch.load(weights_only=True)`` runs no foreign code, but it believes the sizes that a file
states: a few bytes can ask for gigabytes. Here everything is compared with what the file truly
holds, at the cost of its small parts alone: no tensor is read.
"""

import io
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from decamo.errors import CheckpointForeign
from decamo.storage.pickled import SuspiciousError, demand, outline_of_pickle

__all__ = ["REMEDY", "outline_of"]

REMEDY = (
    "nothing in it was executed; to start from the backbone of another program's checkpoint,"
    " give it as --backbone-weights instead of --resume-from"
)
_NAME = re.compile(r"[^/\\]+/(data\.pkl|byteorder|version|\.[a-z_]+|\.data/[a-z_]+|data/\d+)")
_FLAGS = 0x0808  # sizes follow the data; names are UTF-8: what torch's writer sets
_END = struct.Struct("<4s4H2LH")  # end of central directory (APPNOTE 4.3.16)
_END_64 = struct.Struct("<4sQ2H2L4Q")  # its form for large archives (APPNOTE 4.3.14)
_LOCATOR = struct.Struct("<4sLQL")  # where that lies (APPNOTE 4.3.15)
_LOCAL = struct.Struct("<4s5H3L2H")  # local file header (APPNOTE 4.3.7)
_IN_ZIP64, _MANY = 0xFFFFFFFF, 0xFFFF
_MOST_DIRECTORY = 64 * 2**20


Look = Callable[[bytes, Mapping[str, int]], Any]


def outline_of(
    path: Path, file: BinaryIO, look: Look = outline_of_pickle, remedy: str = REMEDY
) -> Any:
    """What the archive in ``file`` holds, with a ``TensorOutline`` in the place of each tensor.

    Args:
        path: its name, for the error.
        file: open at any place.
        look: unpickles what torch calls ``data.pkl``; the second argument has the bytes of each of
            the archive's storages.
        remedy: for the error.

    Raises:
        CheckpointForeign: it is not as torch writes tensors and plain values, or it states sizes
            that it does not have.
    """
    try:
        records = _records(file)
        folder = next(iter(records)).split("/")[0]
        begin, size = records[f"{folder}/data.pkl"]
        file.seek(begin)
        data = f"{folder}/data/"
        storages = {n.removeprefix(data): s for n, (_, s) in records.items() if n.startswith(data)}
        return look(file.read(size), storages)
    except SuspiciousError as error:
        raise CheckpointForeign(path, str(error), remedy) from error
    except OSError:
        raise
    except Exception as error:  # a file made to mislead can fail anywhere, in any way
        raise CheckpointForeign(path, "it holds more than tensors and plain values", remedy) from (
            error
        )


def _records(file: BinaryIO) -> dict[str, tuple[int, int]]:
    """Name -> (place of the first byte, length) of every record, all checked against each other."""
    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        following = [info.header_offset for info in infos[1:]] + [archive.start_dir]
    records: dict[str, tuple[int, int]] = {}
    for info, limit in zip(infos, following, strict=True):
        demand(_NAME.fullmatch(info.filename) is not None, "a record has a strange name")
        demand(info.filename not in records, "two records have one name")
        demand(info.compress_type == 0, "a record is compressed, which torch never does")
        demand(info.flag_bits & ~_FLAGS == 0, "a record is encrypted or otherwise unusual")
        demand(info.compress_size == info.file_size, "a record states two sizes")
        begin = _begin(file, info)
        demand(begin + info.file_size <= limit, "records overlap or run past their end")
        records[info.filename] = begin, info.file_size
    demand(len({name.split("/")[0] for name in records}) == 1, "it holds several archives")
    return records


def _check_directory(file: BinaryIO) -> None:
    """Find the size of the list of records believable before it is read."""
    length = file.seek(0, io.SEEK_END)
    file.seek(max(length - _END.size - 2**16, 0))
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    demand(place >= 0 and len(tail) - place >= _END.size, "it is no zip archive")
    _, disk, disk_of_directory, here, of, size, begin, comment = _END.unpack_from(tail, place)
    place += length - len(tail)
    demand((disk, disk_of_directory, here) == (0, 0, of), "its archive has several parts")
    demand(place + _END.size + comment == length, "its archive ends in the middle")
    file.seek(max(place - _END_64.size - _LOCATOR.size, 0))
    larger = file.read(_END_64.size + _LOCATOR.size)
    if larger.startswith(b"PK\x06\x06"):  # torch always writes the end for large archives as well
        *_, of_64, size, begin = _END_64.unpack_from(larger)
        mark, _, at, _ = _LOCATOR.unpack_from(larger, _END_64.size)
        place -= len(larger)
        demand((mark, at) == (b"PK\x06\x07", place), "its archive ends in two ways")
        demand(of in (of_64, _MANY), "its archive ends in two ways")
    demand(size <= _MOST_DIRECTORY, "its list of records is too long")
    demand(begin + size == place, "its list of records is not where it says")


def _begin(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Where a record's bytes begin, by its local header, which must say what the directory says."""
    file.seek(info.header_offset)
    head = file.read(_LOCAL.size)
    demand(len(head) == _LOCAL.size, "a record lies outside of the file")
    mark, _, flags, method, _, _, _, packed, size, name_length, extra = _LOCAL.unpack(head)
    name = file.read(name_length)
    demand(mark == b"PK\x03\x04", "a record does not begin where it should")
    demand((flags, method) == (info.flag_bits, 0), "a record is described in two ways")
    demand(name == info.filename.encode(), "a record has two names")
    stated = {packed, size} - {0, _IN_ZIP64}  # zero where the sizes follow the data
    demand(stated <= {info.file_size}, "a record states two sizes")
    return info.header_offset + len(head) + len(name) + int(extra)
