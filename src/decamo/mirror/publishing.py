"""Put a run folder's files into a mirror, so that a reader sees all of them or those before.

Every file is written once, under the digest of its bytes, and never again. The manifest that names
them comes last, once a listing has shown each of them in its full length; a manifest with a higher
number takes its place. What no manifest names is a piece of an upload that was broken off.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from decamo.errors import AddressError, AddressUnreachable
from decamo.mirror.held_files import Digests, HeldFiles
from decamo.mirror.manifest import OBJECTS, Manifest, MirroredFile, manifest_name, serial_of

if TYPE_CHECKING:  # fsspec: decisions/0007
    from decamo.storage.remote_files import RemoteFolder

__all__ = ["MirrorTaken", "Publisher", "newest_manifests"]

_KEPT = 2  # manifests: the newest, and the one before it for what turns out to be damaged


class MirrorTaken(Exception):
    """Another process writes to the mirror, so that this one must not."""


def newest_manifests(remote: "RemoteFolder") -> tuple[list[Manifest], int]:
    """The whole manifests of a mirror, the newest first, and the highest number there.

    Raises:
        AddressError: the mirror cannot be read.
    """
    serials = sorted(filter(None, map(serial_of, remote.sizes())), reverse=True)
    found = [Manifest.from_bytes(remote.read(manifest_name(serial))) for serial in serials]
    whole = [one for one in found if one is not None]
    return whole, serials[0] if serials else 0


class Publisher:
    """Writes one run's manifests and what they name.

    Args:
        remote: the mirror.
        run: what all manifests of the run have in common.
        session: of this process.
        known: manifests that were there when it began, the newest first.
        serial: the highest number there; None where it did not answer, and nobody has looked.
        going_on: asked between two files; False gives the rest up.
    """

    def __init__(
        self,
        remote: "RemoteFolder",
        run: str,
        session: str,
        known: Sequence[Manifest] = (),
        serial: int | None = 0,
        going_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self._remote, self._run, self._session = remote, run, session
        self._known = list(known)
        self._serial = serial or 0
        self._looked = serial is not None
        self._going_on = going_on
        self._digests = Digests()

    def publish(self, held: HeldFiles) -> Manifest:
        """Write what the mirror lacks, and then say so.

        Returns:
            the manifest in force: the newest one, where there is nothing new.

        Raises:
            AddressError: something could not be written; the newest manifest is as it was.
            OSError: a file here cannot be read; likewise.
            MirrorTaken: another process has written there since.
        """
        self._look(held)
        self._still_ours()
        files = self._digests.of(held)
        newest = self._known[0] if self._known else None
        self._send(held, files)
        if newest is not None and (newest.files, newest.position) == (files, held.position):
            return newest
        manifest = Manifest(self._run, self._session, self._serial + 1, held.position, files)
        if not self._remote.create(manifest_name(manifest.serial), manifest.to_bytes()):
            self._still_ours()  # or it was this process, whose answer was lost on the way
        else:
            self._take(manifest)
        self._sweep()
        return self._known[0]

    def _take(self, manifest: Manifest) -> None:
        self._known.insert(0, manifest)
        self._serial = manifest.serial

    def _look(self, held: HeldFiles) -> None:
        """See what is there, where it did not answer before."""
        if self._looked:
            return
        known, serial = newest_manifests(self._remote)
        if known and known[0].run != self._run:
            raise MirrorTaken("it holds another run")
        stands = known[0].position if known else held.position
        if (stands.step, stands.epoch) > (held.position.step, held.position.epoch):
            raise MirrorTaken(f"it stands farther on, after epoch {stands.epoch}")
        self._known, self._serial, self._looked = known, serial, True

    def _still_ours(self) -> None:
        """Look whether the newest manifest is the one that is known, or is this process's own."""
        serials = list(filter(None, map(serial_of, self._remote.sizes())))
        newest = max(serials, default=0)
        if newest <= self._serial:
            return
        there = Manifest.from_bytes(self._remote.read(manifest_name(newest)))
        if there is None or there.session != self._session:
            raise MirrorTaken(f"another process has written {manifest_name(newest)} there")
        self._take(there)

    def _send(self, held: HeldFiles, files: dict[str, MirroredFile]) -> None:
        there = self._remote.sizes(OBJECTS)
        for one in held.files:
            place, length = files[one.name].place(one.name), one.bytes
            if there.get(place.partition("/")[2]) == length:
                continue
            if not self._going_on():
                raise AddressUnreachable(str(self._remote), "given up", "it is sent next time")
            one.file.seek(0)
            self._remote.upload(place, one.file, length)
            there[place.partition("/")[2]] = length
        there = self._remote.sizes(OBJECTS)
        for name, file in files.items():
            if there.get(file.place(name).partition("/")[2]) != file.bytes:
                raise AddressUnreachable(
                    str(self._remote), f"{name} is not there as it was sent", "it is sent again"
                )

    def _sweep(self) -> None:
        """Remove what no kept manifest names; what cannot be removed now is so the next time."""
        del self._known[_KEPT:]
        first = self._known[-1].serial
        named = {place for manifest in self._known for place in manifest.places}
        try:
            old = [n for n in self._remote.sizes() if (s := serial_of(n)) and s < first]
            objects = [f"{OBJECTS}/{name}" for name in self._remote.sizes(OBJECTS)]
            self._remote.remove([*old, *(one for one in objects if one not in named)])
        except AddressError:
            return
