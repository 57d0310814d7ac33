"""What lies at an address as a file of this machine, in the user's cache folder."""

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from decamo.errors import AddressMissing, StorageError
from decamo.mirror.beginning import opened_remote
from decamo.mirror.fetching import fetch_run
from decamo.mirror.manifest import Manifest
from decamo.mirror.publishing import newest_manifests
from decamo.settings.addresses import address_in, check_address, shown_address
from decamo.storage import make_folder, storage_error
from decamo.system import cache_folder, replace

if TYPE_CHECKING:  # fsspec: decisions/0007
    from decamo.storage.remote_files import RemoteFolder

__all__ = ["local_checkpoint", "local_log"]

_FOLDER = ("config.json", "model.safetensors", "README.md")  # as save_pretrained writes it


def local_checkpoint(name: str | Path) -> str | Path:
    """A checkpoint or network here: the name as it is, unless it is an address.

    Args:
        name: of a file; or of a folder that ``Model.save_pretrained`` wrote. In a mirror it is the
            file of that name in the newest manifest.

    Raises:
        AddressError: it cannot be had, or what is there is damaged.
        StorageError: there is no room for it here.
    """
    if not (address := address_in(name)):
        return name
    place = _Place(address)
    if place.is_file:
        return place.file(also=".bin" if place.name.lower().endswith(".xml") else "")
    if manifests := place.manifests_beside():
        return place.mirrored(manifests)
    if place.is_folder and place.manifests_in():
        raise AddressMissing(
            place.shown, "a run, not a checkpoint", f"name {place.shown}/best_model.pth"
        )
    if place.is_folder:
        return place.folder()
    raise place.missing()


def local_log(name: str | Path) -> str | Path:
    """A log, or a mirrored run's journal and settings, here; its checkpoints stay where they are.

    Args:
        name: a path, which is returned as it is, or an address.

    Raises:
        AddressError: it cannot be had, or what is there is damaged.
        StorageError: there is no room for it here.
    """
    if not (address := address_in(name)):
        return name
    place = _Place(address)
    if place.is_file:
        return place.file()
    if manifests := place.manifests_beside():
        return place.mirrored(manifests)
    if manifests := place.manifests_in():
        return place.run(manifests)
    raise place.missing()


class _Place:
    """One address: what it is, and where its copies lie here."""

    def __init__(self, address: str) -> None:
        checked = check_address("address", address) if "?" not in address else address
        above, _, self.name = checked.rpartition("/")
        self.name = self.name.partition("?")[0]  # of a signed one
        self.address, self.shown = checked, shown_address(checked)
        self._whole = opened_remote(checked)
        self._above = opened_remote(above) if not above.endswith(("/", ":")) else None
        from decamo.storage.remote_files import answered  # fsspec: decisions/0007

        self._home = _home(checked)
        self.is_file = self.is_folder = False
        self._bytes, self._version = 0, ""
        with contextlib.suppress(AddressMissing):
            found = answered(checked, self._whole.info)
            self.is_folder, self._bytes, self._version = found
            self.is_file = not self.is_folder

    def missing(self) -> AddressMissing:
        """That nothing of use is there."""
        return AddressMissing(self.shown, "no such file", "check the name, or list its folder")

    def manifests_in(self) -> Sequence[Manifest]:
        """Of the mirror that the address is."""
        return newest_manifests(self._whole)[0]

    def manifests_beside(self) -> Sequence[Manifest]:
        """Of the mirror that has a file of this name; none where there is no such."""
        found = newest_manifests(self._above)[0] if self._above else []
        return [one for one in found if self.name in one.files]

    def file(self, also: str = "") -> Path:
        """The file, and the one of another ending that belongs to it."""
        path = self._fresh(self._version) / self.name
        if not path.exists():
            if also and self._above is not None:
                beside = Path(self.name).with_suffix(also).name
                _download(self._above, beside, path.with_name(beside), None)
            _download(self._whole, "", path, self._bytes or None)
        return path

    def folder(self) -> Path:
        """A folder of ``Model.save_pretrained``."""
        sizes = self._whole.sizes()
        if not set(_FOLDER[:2]) <= sizes.keys():
            raise self.missing()
        there = [name for name in _FOLDER if name in sizes]
        versions = "".join(self._whole.info(name)[2] for name in there)
        path = self._fresh(versions)
        for name in there:
            if not (path / name).exists():
                _download(self._whole, name, path / name, sizes[name])
        return path

    def mirrored(self, manifests: Sequence[Manifest]) -> Path:
        """The file of a mirror; the one before it where it is damaged, which is said."""
        newest = manifests[0].files[self.name]
        path = self._fresh(newest.sha256) / self.name
        if not path.exists():
            if self._above is None:
                raise self.missing()
            named = self.name
            if not fetch_run(self._above, manifests, path.parent, _say, lambda n: n == named):
                raise AddressMissing(self.shown, "no version of it is whole", "use another file")
        return path

    def run(self, manifests: Sequence[Manifest]) -> Path:
        """The run's folder, without checkpoints."""
        path = self._fresh(f"{manifests[0].run} {manifests[0].serial}")
        fetch_run(self._whole, manifests, path, _say, lambda name: not name.endswith(".pth"))
        return path

    def _fresh(self, version: str) -> Path:
        """The folder of this version; those of others go."""
        path = self._home / _short(version)
        try:
            for other in self._home.iterdir() if self._home.is_dir() else ():
                if other != path:
                    shutil.rmtree(other, ignore_errors=True)
        except OSError as error:
            raise storage_error(self._home, error) from error
        make_folder(path)
        return path


def _home(address: str) -> Path:
    return cache_folder(os.environ) / "remote" / _short(address)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _download(remote: "RemoteFolder", name: str, path: Path, length: int | None) -> None:
    """A file of a store that says how long it is, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        remote.download(name, str(temporary))
        found = temporary.stat().st_size
        if length is not None and found != length:
            raise StorageError(f"{remote}", f"{found} bytes came of {length}", "try again")
        replace(temporary, path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _say(line: str) -> None:
    sys.stderr.write(f"decamo: {line}\n")
