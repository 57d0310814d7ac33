"""``--on``: in words, and as a type; and what a task reserves of a machine."""

import re
from dataclasses import dataclass

from decamo.errors import SettingsError

__all__ = ["OnRay", "Share", "where_of"]

_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_REMEDY = "give --on ray, --on ray:auto or --on ray:HOST:PORT, such as ray:head:6379"
_PORTS = 65536


@dataclass(frozen=True)
class OnRay:
    """Work runs as tasks of a Ray cluster.

    Attributes:
        address: ``HOST:PORT`` of the cluster's head; ``auto`` for the cluster that this machine is
            a node of; empty for what ``RAY_ADDRESS`` names, and without that for an instance of
            this machine alone that ends with the command.
    """

    address: str = ""

    def __str__(self) -> str:
        return f"ray:{self.address}" if self.address else "ray"


@dataclass(frozen=True)
class Share:
    """What one task reserves of a node.

    Attributes:
        cpus: cores; a fraction lets several tasks share one. None for one beside a GPU, and for
            as many as the command's own threads without.
        gpus: likewise; beyond one, whole ones. None for one where the cluster has any.
        unit: what runs in it, as its flags say: ``--gpus-per-trial``.

    Raises:
        SettingsError: names the flag.
    """

    cpus: float | None = None
    gpus: float | None = None
    unit: str = "trial"

    def __post_init__(self) -> None:
        for name, value in (("cpus", self.cpus), ("gpus", self.gpus)):
            if value is None:
                continue
            flag = f"--{name}-per-{self.unit}"
            if not 0 <= value < float("inf"):
                raise SettingsError(flag, f"got {value:g}", "give a number from 0")
            if value > 1 and value % 1:
                raise SettingsError(flag, f"got {value:g}", "beyond 1 give whole numbers")


def where_of(words: str | None) -> OnRay | None:
    """What ``--on`` means; None for in this process.

    Args:
        words: ``ray`` or ``ray:ADDRESS``; None or empty for in this process.

    Raises:
        SettingsError: it means nothing.
    """
    if not words:
        return None
    engine, _, address = words.partition(":")
    if engine != "ray" or words == "ray:":
        raise SettingsError("--on", f"got {words!r}", _REMEDY)
    if address.startswith("ray://"):
        raise SettingsError(
            "--on",
            f"got {words!r}, which is for Ray's client",
            "start the command on a machine of the cluster, with --on ray:auto",
        )
    known = _HOST_PORT.fullmatch(address)
    if address not in ("", "auto") and not (known and 0 < int(known[2]) < _PORTS):
        raise SettingsError("--on", f"got {words!r}", _REMEDY)
    return OnRay(address)
