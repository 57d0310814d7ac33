"""A run and its mirror when a command starts: which of them is farther on, and what follows."""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from decamo.errors import AddressError, AddressUnreachable, CheckpointDamaged, SettingsError
from decamo.extras import missing_extras
from decamo.mirror.fetching import fetch_run
from decamo.mirror.manifest import Manifest
from decamo.mirror.publishing import newest_manifests
from decamo.schedule import Position
from decamo.settings.addresses import check_address, shown_address
from decamo.storage import RunFolder, write_whole
from decamo.storage.owner import own

if TYPE_CHECKING:  # fsspec: decisions/0007
    from decamo.storage.remote_files import RemoteFolder

__all__ = [
    "MirrorStart",
    "MirrorStep",
    "begin_mirror",
    "look_at_mirror",
    "next_step",
    "noted_mirror",
    "opened_remote",
]

_PROBE = "probe"


@dataclass(frozen=True)
class MirrorStart:
    """What a run knows of its mirror when it sets out.

    Attributes:
        remote: the mirror.
        run: what all its manifests of this run have in common.
        session: of this process.
        manifests: those that are there, the newest first.
        serial: the highest number there; None where it did not answer.
    """

    remote: "RemoteFolder"
    run: str
    session: str
    manifests: Sequence[Manifest] = ()
    serial: int | None = 0


class MirrorStep(Enum):
    """What to do with a run folder and a mirror."""

    SEND = auto()
    FETCH = auto()
    REFUSE_HELD = auto()
    REFUSE_OTHER = auto()
    REFUSE_BEHIND = auto()


def next_step(
    local: Position | None, held: Position | None, *, same: bool, resume: bool
) -> MirrorStep:
    """What to do, from where both stand.

    Args:
        local: of the run folder's newest checkpoint; None where it has none.
        held: of the mirror; None where it is empty.
        same: whether both are of one run.
        resume: whether ``--resume auto`` was given.
    """
    if held is None:
        return MirrorStep.SEND
    if local is None:
        return MirrorStep.FETCH if resume else MirrorStep.REFUSE_HELD
    if not same:
        return MirrorStep.REFUSE_OTHER
    if (held.step, held.epoch) <= (local.step, local.epoch):
        return MirrorStep.SEND
    return MirrorStep.FETCH if resume else MirrorStep.REFUSE_BEHIND


def opened_remote(address: str) -> "RemoteFolder":
    """The folder at an address.

    Raises:
        MissingExtra: the package for it is not installed.
        AddressError: there is no such kind of address.
    """
    with missing_extras():
        from decamo.storage.remote_files import open_remote  # fsspec: decisions/0007
    return open_remote(address)


def begin_mirror(
    address: str, folder: RunFolder, *, resume: bool, say: Callable[[str], object]
) -> MirrorStart:
    """Look at both, and fill the run folder from the mirror where that is farther on.

    Args:
        address: of the mirror.
        folder: of the run; it need not exist.
        resume: whether ``--resume auto`` was given.
        say: takes a line for people.

    Raises:
        SettingsError: the mirror holds another run, or one that must not be written over.
        AddressError: the mirror cannot be used; one that does not answer is waited for where the
            run folder has a run.
        StorageError: what is fetched cannot be written.
    """
    checked = check_address("--mirror", address)
    remote = opened_remote(checked)
    from decamo.storage.remote_files import answered  # fsspec: decisions/0007

    local = _position_in(folder)
    known = noted_mirror(folder)
    run = known[0] if known else uuid.uuid4().hex
    session = uuid.uuid4().hex
    try:
        manifests, serial = answered(checked, lambda: _looked_at(remote))
    except AddressUnreachable as trouble:
        if local is None:
            raise
        say(f"mirror {remote}: {trouble.got}; the run goes on from {folder.root}")
        _note(folder, run, checked)
        return MirrorStart(remote, run, session, serial=None)
    held = manifests[0] if manifests else None
    if serial and held is None:
        raise AddressError(
            str(remote), "what it holds is damaged: no manifest is whole", "name another --mirror"
        )
    step = next_step(
        local,
        held.position if held else None,
        same=held is not None and run == held.run,
        resume=resume,
    )
    _refuse(step, remote, held, local, folder)
    if step is MirrorStep.FETCH:
        run = manifests[0].run
        _fetch(remote, manifests, folder, local, say)
    elif held is not None and local is not None and held.position.step < local.step:
        say(f"mirror {remote}: it stands {_where(held.position)}, {folder.root} farther on,"
            f" {_where(local)}: the run goes on from there")  # fmt: skip
    _note(folder, run, checked)
    return MirrorStart(remote, run, session, manifests, serial)


def look_at_mirror(address: str, say: Callable[[str], object]) -> None:
    """Say what a mirror holds, once it is seen that it can be written to.

    Raises:
        AddressError: it cannot be used.
    """
    checked = check_address("--mirror", address)
    remote = opened_remote(checked)
    from decamo.storage.remote_files import answered  # fsspec: decisions/0007

    manifests, _ = answered(checked, lambda: _looked_at(remote))
    holds = f"it stands {_where(manifests[0].position)}" if manifests else "it is empty"
    say(f"mirror {remote}: it answers; {holds}")


def _looked_at(remote: "RemoteFolder") -> tuple[list[Manifest], int]:
    """The manifests; and whether something can be written there, before hours are spent."""
    found = newest_manifests(remote)
    remote.write(_PROBE, b"decamo asks whether it may write here\n")
    remote.remove([_PROBE])
    return found


def _refuse(
    step: MirrorStep,
    remote: "RemoteFolder",
    held: Manifest | None,
    local: Position | None,
    folder: RunFolder,
) -> None:
    if held is None or step in (MirrorStep.SEND, MirrorStep.FETCH):
        return
    stands = _where(held.position)
    if step is MirrorStep.REFUSE_HELD:
        raise SettingsError(
            "--mirror", f"{remote} already holds a run, {stands}",
            "go on with it by --resume auto, or name another address",
        )  # fmt: skip
    if step is MirrorStep.REFUSE_OTHER:
        raise SettingsError(
            "--mirror", f"{remote} holds another run than {folder.root}, {stands}",
            "name another address, or the run folder that it is of",
        )  # fmt: skip
    here = _where(local) if local else ""
    raise SettingsError(
        "--mirror", f"{remote} stands {stands}, farther on than {folder.root}, {here}",
        "go on with it by --resume auto, or name another address",
    )  # fmt: skip


def _fetch(
    remote: "RemoteFolder",
    manifests: Sequence[Manifest],
    folder: RunFolder,
    local: Position | None,
    say: Callable[[str], object],
) -> None:
    folder.root.mkdir(parents=True, exist_ok=True)
    with own(folder.root, say=say):
        held = local is not None and folder.last.exists()
        kept = folder.protect(folder.last, local.epoch) if held and local else None
        if kept and local:
            say(f"kept: {kept} is what the run folder had, {_where(local)}")
        names = fetch_run(remote, manifests, folder.root, say)
    if not any(name.endswith(".pth") for name in names):
        raise AddressError(str(remote), "no checkpoint there is whole", "name another --mirror")
    where = _where(manifests[0].position)
    say(f"fetched: {len(names)} files from {remote}, which stands {where}")


def _position_in(folder: RunFolder) -> Position | None:
    """Of the newest checkpoint that can be used; None where there is none."""
    if not any(folder.root.glob("*.pth")):
        return None
    # torch, for a resume alone: decisions/0007
    from decamo.checkpoint.load_save import newest_of, read_outline

    try:
        newest = newest_of(folder)
    except CheckpointDamaged:  # all of them: the mirror may have better ones
        return None
    return None if newest is None else read_outline(newest, check=False).position


def noted_mirror(folder: RunFolder) -> tuple[str, str] | None:
    """The run's name in its mirror and the mirror's address; None where it has none."""
    try:
        plain = json.loads(folder.mirror.read_bytes())
        return str(plain["run"]), str(plain["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(folder: RunFolder, run: str, address: str) -> None:
    folder.root.mkdir(parents=True, exist_ok=True)
    plain = {"run": run, "address": shown_address(address)}
    write_whole(folder.mirror, (json.dumps(plain) + "\n").encode())


def _where(position: Position) -> str:
    return f"after epoch {position.epoch}, step {position.step}"
