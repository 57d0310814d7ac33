"""What a mirror holds: a small file that is written last and names every other by its digest."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from decamo import __version__
from decamo.schedule import Position

__all__ = ["OBJECTS", "Manifest", "MirroredFile", "is_mirrored", "manifest_name", "serial_of"]

OBJECTS = "objects"
_FORMAT = 1
_NAME = re.compile(r"mirror-(\d{8})\.json")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# What a resume needs of a run folder, and what is left of its past. Anything else that a manifest
# might name is not ours, and is never written.
_MIRRORED = re.compile(
    r"(?:[\w][\w.-]*\.pth|journal\.jsonl|census\.json|config[\w.-]*\.toml"
    r"|trackers/\w[\w.-]*\.json|escape/[\w-]+/outcome\.json)"
)


def is_mirrored(name: str) -> bool:
    """Whether a file of this name in a run folder, relative to it, belongs in a mirror."""
    return _MIRRORED.fullmatch(name) is not None


def manifest_name(serial: int) -> str:
    """``mirror-00000012.json``."""
    return f"mirror-{serial:08d}.json"


def serial_of(name: str) -> int | None:
    """The number of a manifest's name; None for another name."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


@dataclass(frozen=True)
class MirroredFile:
    """The bytes of one file.

    Attributes:
        sha256: of all of them.
        bytes: how many.
    """

    sha256: str
    bytes: int

    def place(self, name: str) -> str:
        """Where they lie in the mirror; the same bytes lie there once, whatever they are called."""
        return f"{OBJECTS}/{self.sha256}{name[name.rfind('.') :]}"


@dataclass(frozen=True)
class Manifest:
    """A run folder at one moment.

    Attributes:
        run: what all manifests of one run have in common.
        session: the process that wrote it.
        serial: one more than that of the one before it.
        position: of the run.
        files: by their names in the run folder.
    """

    run: str
    session: str
    serial: int
    position: Position
    files: Mapping[str, MirroredFile] = field(default_factory=dict)

    @property
    def places(self) -> set[str]:
        """The objects that it names."""
        return {one.place(name) for name, one in self.files.items()}

    def to_bytes(self) -> bytes:
        """As JSON that ends with its own digest."""
        plain = {
            "decamo-mirror": _FORMAT,
            "decamo": __version__,
            "run": self.run,
            "session": self.session,
            "serial": self.serial,
            "position": asdict(self.position),
            "files": {name: asdict(one) for name, one in self.files.items()},
        }
        return _text(plain | {"sha256": _digest(plain)})

    @staticmethod
    def from_bytes(data: bytes) -> "Manifest | None":
        """The inverse; None where it is cut, altered, or names what is no file of a run."""
        try:
            plain = json.loads(data)
            told = plain.pop("sha256")
            if told != _digest(plain) or plain["decamo-mirror"] != _FORMAT:
                return None
            files = {name: MirroredFile(**one) for name, one in plain["files"].items()}
            manifest = Manifest(
                str(plain["run"]), str(plain["session"]), int(plain["serial"]),
                Position(**plain["position"]), files,
            )  # fmt: skip
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        sound = all(is_mirrored(n) and _is_sound(one) for n, one in files.items())
        return manifest if sound else None


def _is_sound(one: MirroredFile) -> bool:
    good = isinstance(one.sha256, str) and isinstance(one.bytes, int) and one.bytes >= 0
    return good and _DIGEST.fullmatch(one.sha256) is not None


def _digest(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(plain)).hexdigest()


def _text(plain: Mapping[str, Any]) -> bytes:
    return (json.dumps(plain, indent=1, sort_keys=True) + "\n").encode()
