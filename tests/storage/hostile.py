"""Checkpoints made to harm: to run a command, to fill the memory, to end the program."""

import collections
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.storage.format_1 import seal_1, sealed_1, state_of_format_1

Make = Callable[[Path], bytes]

HUGE = 10**12
_EMPTY_DICT = b"ccollections\nOrderedDict\n)R"


class Payload:
    """Unpickling this creates ``sentinel``."""

    def __init__(self, sentinel: Path, how: Any = os.system) -> None:
        self.sentinel = sentinel
        self.how = how

    def __reduce__(self) -> tuple[Any, ...]:
        if self.how is os.system:
            return os.system, (f"touch {self.sentinel}",)
        return self.how, (f"open({str(self.sentinel)!r}, 'w')",)


def archive(description: bytes, *storages: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip like torch's around a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.writestr("archive/data.pkl", description)
        file.writestr("archive/byteorder", "little")
        for number, storage in enumerate(storages):
            file.writestr(f"archive/data/{number}", storage)
        file.writestr("archive/version", "3\n")
    return buffer.getvalue()


def pickled(expression: bytes) -> bytes:
    """A sealed archive of ``{"format": 1, "x": <what the opcodes make>}``."""
    head = b"\x80\x02}(X\x06\x00\x00\x00formatK\x01X\x01\x00\x00\x00x"
    return seal_1(archive(head + expression + b"u.", b"\0" * 16))


def tensor(
    items: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], rest: bytes = b""
) -> bytes:
    """Opcodes of a tensor over the 16 bytes of storage 0, which states ``items`` values."""
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        + pickle.dumps(items, 2)[2:-1]
        + b"tQ"
    )
    # without PROTO and STOP; each its own pickle, whose memo the next one overwrites
    parts = b"".join(pickle.dumps(part, 2)[2:-1] for part in (offset, shape, stride))
    rest = rest or b"\x89" + _EMPTY_DICT
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + parts + rest + b"tR"


def called(name: bytes, argument: bytes) -> bytes:
    """Opcodes that call a global with one argument."""
    return b"c" + name + b"\n" + argument + b"\x85R"


def word(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def command(sentinel: Path) -> bytes:
    return word(f"touch {sentinel}")


def _legacy(sentinel: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"format": 1, "x": Payload(sentinel)}, buffer, _use_new_zipfile_serialization=False)
    return seal_1(buffer.getvalue() + b"\0\0")


def _tar(sentinel: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("storages", "tensors", "pickle"):
            data = pickle.dumps(Payload(sentinel), 2)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return seal_1(buffer.getvalue())


def _numpy_file(sentinel: Path) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(sentinel)], dtype=object), allow_pickle=True)
    return seal_1(buffer.getvalue() + b"\0\0")


def _script(sentinel: Path) -> bytes:
    """Looks like TorchScript, which torch.load would hand to another reader."""
    buffer = io.BytesIO(archive(pickle.dumps(Payload(sentinel), 2)))
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr("archive/constants.pkl", pickle.dumps(Payload(sentinel), 2))
        file.writestr("archive/code/__torch__.py", "import os")
    return seal_1(buffer.getvalue())


def _other_name(name: str) -> Make:
    def make(_: Path) -> bytes:
        buffer = io.BytesIO(archive(b"\x80\x02}X\x06\x00\x00\x00formatK\x01s."))
        with zipfile.ZipFile(buffer, "a") as file:
            file.writestr(name, b"x")
        return seal_1(buffer.getvalue())

    return make


def _twice(_: Path) -> bytes:
    """Two records under one name: which one is read depends on the reader."""
    data = archive(b"\x80\x02}X\x06\x00\x00\x00formatK\x01s.", b"AAAA", b"BBBB")
    return seal_1(data.replace(b"archive/data/1", b"archive/data/0"))


def _patched(place: int, value: bytes, *, local: bool = False, record: bytes = b"data/0") -> Make:
    """A good archive with bytes of one record's header overwritten.

    ``place`` counts from the header's signature (APPNOTE 4.3.7 local, 4.3.12 central).
    """

    def make(_: Path) -> bytes:
        data = bytearray(archive(b"\x80\x02}X\x06\x00\x00\x00formatK\x01s.", b"\0" * 16))
        name = b"archive/" + record
        at = data.find(name) - 30 if local else data.rfind(name) - 46
        assert data[at : at + 2] == b"PK"
        data[at + place : at + place + len(value)] = value
        return seal_1(bytes(data))

    return make


def _end_patched(place: int, value: bytes) -> Make:
    def make(_: Path) -> bytes:
        data = bytearray(archive(b"\x80\x02}X\x06\x00\x00\x00formatK\x01s.", b"\0" * 16))
        at = len(data) - 22
        data[at + place : at + place + len(value)] = value
        return seal_1(bytes(data))

    return make


def _bomb(_: Path) -> bytes:
    """A hundred kilobytes that unpack to a hundred megabytes."""
    return seal_1(archive(b"\0" * 10**8, method=zipfile.ZIP_DEFLATED))


def _state(**changes: Any) -> Make:
    return lambda _: sealed_1(state_of_format_1() | changes)


def _deep_tuple(length: int) -> bytes:
    return b")" + b"\x85" * length


CASES: dict[str, Make] = {
    # commands
    "raw pickle": lambda s: pickle.dumps(Payload(s)),
    "raw pickle, sealed": lambda s: seal_1(pickle.dumps(Payload(s)) + b"\0\0"),
    "torch zip, not sealed": lambda s: archive(pickle.dumps(Payload(s), 2)),
    "os.system": lambda s: sealed_1({"format": 1, "x": Payload(s)}),
    "builtins.exec": lambda s: sealed_1({"format": 1, "x": Payload(s, exec)}),
    "builtins.eval": lambda s: sealed_1({"format": 1, "x": Payload(s, eval)}),
    "protocol 0": lambda s: seal_1(archive(pickle.dumps(Payload(s), 0))),
    "protocol 4": lambda s: seal_1(archive(pickle.dumps(Payload(s), 4))),
    "protocol 5": lambda s: seal_1(archive(pickle.dumps({"format": 1, "x": Payload(s)}, 5))),
    "INST": lambda s: pickled(b"(" + command(s) + b"iposix\nsystem\n"),
    "OBJ": lambda s: pickled(b"(cposix\nsystem\n" + command(s) + b"o"),
    "NEWOBJ": lambda s: pickled(b"csubprocess\nPopen\n" + command(s) + b"\x85\x81"),
    "EXT1": lambda _: pickled(b"\x82\x01"),
    "builtins.getattr": lambda s: pickled(
        b"cbuiltins\ngetattr\ncos\nsystem\n" + word("x") + b"\x86R"
    ),
    "torch.load": lambda s: pickled(called(b"torch\nload", command(s))),
    "torch.hub": lambda s: pickled(called(b"torch.hub\nload", command(s))),
    "torch._C": lambda s: pickled(called(b"torch._C\n_cuda_init", command(s))),
    "torch.utils.cpp_extension": lambda s: pickled(
        called(b"torch.utils.cpp_extension\nload_inline", command(s))
    ),
    "torch.nn.Module built": lambda s: pickled(b"ctorch.nn\nModule\n)\x81}b"),
    "torch legacy": _legacy,
    "torch tar": _tar,
    "numpy objects": _numpy_file,
    "numpy in torch": lambda _: sealed_1({"format": 1, "x": np.array([{}], dtype=object)}),
    "TorchScript": _script,
    "state of a dict replaced": lambda _: pickled(
        _EMPTY_DICT + b"}" + word("items") + word("gone") + b"sb"
    ),
    "metadata of another kind": lambda _: pickled(
        _EMPTY_DICT + b"}" + word("_metadata") + b"}" + word("") + word("gone") + b"ssb"
    ),
    # memory and stack
    "bytearray of a terabyte": lambda _: pickled(
        called(b"builtins\nbytearray", pickle.dumps(HUGE, 2)[2:-1])
    ),
    "storage of a terabyte": lambda _: pickled(
        called(b"torch\nFloatStorage", pickle.dumps(HUGE, 2)[2:-1])
    ),
    "memo of four billion": lambda _: pickled(b"Nr\xff\xff\xff\xff"),
    "text of exabytes": lambda _: pickled(b"\x8d" + struct.pack("<Q", 2**62)),
    "bytes of exabytes": lambda _: pickled(b"\x8e" + struct.pack("<Q", 2**62)),
    "frame of exabytes": lambda _: pickled(b"\x95" + struct.pack("<Q", 2**62)),
    "tuples without end": lambda _: pickled(_deep_tuple(10**6)),
    "tuples without end as a key": lambda _: pickled(b"}" + _deep_tuple(10**5) + b"Ns"),
    "lists without end": lambda _: pickled(b"]" * 10**5 + b"a" * (10**5 - 1)),
    "millions of dicts": lambda _: pickled(b"(" + b"}" * 1_100_000 + b"t"),
    "marks without end": lambda _: pickled(b"(" * 1_100_000),
    "zip bomb": _bomb,
    # tensors
    "expanded tensor": lambda _: pickled(tensor(4, 0, (HUGE,), (0,))),
    "tensor beyond its storage": lambda _: pickled(tensor(4, 0, (HUGE,), (1,))),
    "offset beyond its storage": lambda _: pickled(tensor(4, HUGE, (1,), (1,))),
    "storage beyond its record": lambda _: pickled(tensor(1000, 0, (1000,), (1,))),
    "storage of a terabyte in 16 bytes": lambda _: pickled(tensor(HUGE, 0, (HUGE,), (1,))),
    "negative shape": lambda _: pickled(tensor(4, 0, (-4,), (1,))),
    "negative stride": lambda _: pickled(tensor(4, 3, (4,), (-1,))),
    "a thousand axes": lambda _: pickled(tensor(4, 0, (1,) * 1000, (1,) * 1000)),
    "hooks on a tensor": lambda s: pickled(
        tensor(4, 0, (4,), (1,), b"\x88" + _EMPTY_DICT + word("hook") + word("x") + b"s")
    ),
    "shape of words": lambda _: pickled(
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + word("x") * 6 + b"tR"
    ),
    # the zip around it
    "size of gigabytes": _patched(24, struct.pack("<I", 10**9)),
    "packed size of gigabytes": _patched(20, struct.pack("<II", 10**9, 10**9)),
    "other size in the local header": _patched(18, struct.pack("<II", 8, 8), local=True),
    "overlapping records": _patched(42, struct.pack("<I", 0)),
    "record outside of the file": _patched(42, struct.pack("<I", 2**31)),
    "encrypted": _patched(8, b"\x01"),
    "encrypted by its local header": _patched(6, b"\x01", local=True),
    "deflated by its header": _patched(10, b"\x08"),
    "deflated by its local header": _patched(8, b"\x08", local=True),
    "other name in the local header": _patched(30, b"archive/data/7", local=True),
    "long extra field in the local header": _patched(28, b"\xff\xff", local=True),
    "directory of gigabytes": _end_patched(12, struct.pack("<I", 2**31)),
    "directory elsewhere": _end_patched(16, struct.pack("<I", 0)),
    "other number of records": _end_patched(8, struct.pack("<H", 9)),
    "several disks": _end_patched(4, struct.pack("<HH", 3, 3)),
    "bytes before the archive": lambda _: seal_1(b"PK" + b"\0" * 100 + archive(b"\x80\x02}.")),
    "path out of the folder": _other_name("../../../tmp/evil"),
    "path out of the archive": _other_name("archive/../../evil"),
    "absolute path": _other_name("/etc/evil"),
    "Windows path": _other_name("archive\\data\\C:evil"),
    "second archive": _other_name("other/data.pkl"),
    "two records of one name": _twice,
    "no description": lambda _: seal_1(_without_description()),
    # a good archive of something else
    "a list": lambda _: sealed_1([1, 2]),
    "a tensor": lambda _: sealed_1(torch.zeros(2)),
    "no format": lambda _: sealed_1({"model": {}}),
    "format of words": _state(format="1"),
    "format of the future": _state(format=10**6),
    "format zero": _state(format=0),
    "format true": _state(format=True),
    "position a list": _state(position=[1, 2]),
    "position of words": _state(position={"epoch": "1", "step": 0, "micro": 0}),
    "negative position": _state(position={"epoch": -1, "step": 0, "micro": 0}),
    "lineage empty": _state(ledger=[]),
    "lineage a dict": _state(ledger={}),
    "history of words": _state(history=["epoch 1"]),
    "history a tensor": _state(history=torch.zeros(3)),
    "weights of numbers": _state(model={"head.weight": 1.0}),
    "weights by number": _state(model={1: torch.zeros(1)}),
    "backbone a list": _state(architecture={"backbone": ["x"]}),
    "gigantic zoom": _state(architecture=state_of_format_1()["architecture"] | {"zoom": 1e9}),
    "gigantic width": _state(architecture=state_of_format_1()["architecture"] | {"width": 10**9}),
    "settings a list": _state(settings=[]),
    "settings nested": _state(settings={"schedule": {"lr": [[[0.1]]]}}),
    "only a format": lambda _: sealed_1(collections.OrderedDict(format=1)),
}


def _without_description() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/version", "3\n")
    return buffer.getvalue()
