"""From a mirror to a run folder: each file whole by its digest, or the one before it."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from decamo.errors import AddressError, AddressMissing, StorageError
from decamo.mirror.manifest import Manifest, MirroredFile
from decamo.storage import check_space, keep_copy, make_folder, storage_error, sync_folder
from decamo.system import replace

if TYPE_CHECKING:  # fsspec: decisions/0007
    from decamo.storage.remote_files import RemoteFolder

__all__ = ["digest_of_file", "fetch_file", "fetch_run"]

_CHUNK = 2**20


def digest_of_file(path: Path) -> MirroredFile:
    """Digest and length of a file here.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    length = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            length += len(chunk)
    return MirroredFile(digest.hexdigest(), length)


def fetch_file(remote: "RemoteFolder", name: str, wanted: MirroredFile, path: Path) -> None:
    """Put one file of a mirror at ``path``, whole or not at all.

    Raises:
        AddressError: it is not there, or its bytes are not those that the manifest names.
        StorageError: it cannot be written here.
    """
    make_folder(path.parent)
    # of one process: several may want the same file at once
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        remote.download(wanted.place(name), str(temporary))
        found = digest_of_file(temporary)
        if found != wanted:
            got = "truncated" if found.bytes < wanted.bytes else "altered"
            raise AddressMissing(
                f"{remote}/{name}",
                f"{got}: {found.bytes} bytes with another digest, not {wanted.bytes}",
                "use another checkpoint",
            )
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def fetch_run(
    remote: "RemoteFolder",
    manifests: Sequence[Manifest],
    root: Path,
    say: Callable[[str], object],
    wanted: Callable[[str], bool] = lambda name: True,
) -> list[str]:
    """Fill a run folder from a mirror; checkpoints come last, so that a kill leaves no half run.

    Args:
        remote: the mirror.
        manifests: whole ones, the newest first; a file that is damaged is taken of an older one.
        root: the run folder; files of the same names are replaced.
        say: told a sentence about each file that is not the newest.
        wanted: whether a file of this name is fetched.

    Returns:
        the names of the files that are there now.

    Raises:
        AddressUnreachable: the mirror does not answer.
        StorageError: it cannot be written here.
    """
    names = [name for name in manifests[0].files if wanted(name)]
    sizes = {manifests[0].files[n].sha256: manifests[0].files[n].bytes for n in names}
    check_space(root, sum(sizes.values()))
    have: dict[MirroredFile, Path] = {}
    done = []
    for name in sorted(names, key=lambda name: (name.endswith(".pth"), name == "last.pth")):
        versions = [m.files[name] for m in manifests if name in m.files]
        if (taken := _one(remote, name, versions, root / name, have, say)) is not None:
            have[taken] = root / name
            done.append(name)
    return done


def _one(
    remote: "RemoteFolder",
    name: str,
    versions: Sequence[MirroredFile],
    path: Path,
    have: dict[MirroredFile, Path],
    say: Callable[[str], object],
) -> MirroredFile | None:
    """The newest version that is whole, now at ``path``; None where there is none."""
    troubles: list[AddressError] = []
    for wanted in dict.fromkeys(versions):
        try:
            if wanted in have:
                _link(have[wanted], path)
            else:
                fetch_file(remote, name, wanted, path)
        except AddressMissing as trouble:
            troubles.append(trouble)
            continue
        for line in _lines(remote, name, troubles, "the one before it is taken"):
            say(line)
        return wanted
    for line in _lines(remote, name, troubles, "the run goes on without it"):
        say(line)
    return None


def _link(source: Path, path: Path) -> None:
    try:
        keep_copy(source, path)
    except OSError as error:
        raise storage_error(path, error) from error


def _lines(
    remote: "RemoteFolder", name: str, troubles: Sequence[StorageError], instead: str
) -> Iterator[str]:
    for trouble in troubles[:1]:
        yield f"warning: {remote}/{name} cannot be used ({trouble.got}); {instead}"
