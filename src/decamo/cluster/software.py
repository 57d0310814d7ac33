"""Which decamo a process runs: what has to be alike on all machines for scores to be equal."""

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from decamo import __version__

__all__ = ["Software", "software_here"]


@dataclass(frozen=True)
class Software:
    """What a process computes with.

    Attributes:
        decamo: its version.
        source: digest of its files, which a version alone does not tell of a checkout.
        python: its version.
        torch: its version; empty where it is not installed.
    """

    decamo: str
    source: str
    python: str
    torch: str

    def unlike(self, other: "Software") -> str:
        """What differs, as ``torch 2.6.0 instead of 2.9.1`` of ``other``; empty for nothing."""
        for name in ("python", "torch", "decamo"):
            theirs, ours = getattr(other, name), getattr(self, name)
            if theirs != ours:
                return f"{name} {theirs or 'missing'} instead of {ours or 'none'}"
        return "" if other.source == self.source else f"other files of decamo {other.decamo}"


@cache
def software_here() -> Software:
    """Of this process."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(root.rglob("*.py"), key=lambda p: p.relative_to(root).as_posix()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    return Software(__version__, digest.hexdigest(), platform.python_version(), torch)
