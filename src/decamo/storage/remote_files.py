"""A folder at an address, such as ``s3://bucket/run``, through fsspec; its errors in one line.

An object store shows an object once it is whole; other file systems show what is written so far.
So nothing here relies on a rename, nor on a file being whole because it is there: whoever writes
says elsewhere, and last, what there is and how long.
"""

import contextlib
import errno
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import fsspec
from fsspec.spec import AbstractBufferedFile

from decamo.errors import AddressError, AddressMissing, AddressUnreachable, MissingExtra
from decamo.settings.addresses import shown_address

__all__ = ["ANSWER_WITHIN", "RemoteFolder", "answered", "open_remote"]

ANSWER_WITHIN = 20.0  # seconds that a command waits for a first answer
_READ_TIMEOUT = 30  # seconds without a byte
_PART = 16 * 2**20  # bytes of a part of an upload; S3 takes 10,000 of them
_CHUNK = 2**20
_S3 = ("s3", "s3a")
_WITHOUT_FOLDERS = (*_S3, "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory")
# By name: they are botocore's, which is imported by whoever opened an s3 address.
_NO_CREDENTIALS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "ProfileNotFound",
    "TokenRetrievalError",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
)
_LOOK = "check address, bucket and credentials"

_T = TypeVar("_T")


def open_remote(address: str) -> "RemoteFolder":
    """The folder at an address; nothing is asked of it yet.

    Raises:
        MissingExtra: the package for such addresses is not installed.
        AddressError: there is no such kind of address.
    """
    scheme = address.partition("://")[0]
    options: dict[str, Any] = {}
    if scheme in _S3:
        own = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
        options["config_kwargs"] = {"read_timeout": _READ_TIMEOUT, **own}
    with _explained(address):
        try:
            fs, root = fsspec.core.url_to_fs(address, skip_instance_cache=True, **options)
        except ImportError as error:
            remedy = "pip install 'decamo[remote]'" if scheme in _S3 else str(error)
            got = f"{scheme}:// needs a package that is not installed"
            raise MissingExtra(shown_address(address), got, remedy) from error
    return RemoteFolder(address, fs, root, folders=scheme not in _WITHOUT_FOLDERS)


def answered(address: str, call: Callable[[], _T], within: float = ANSWER_WITHIN) -> _T:
    """What a call returns or raises, unless it takes too long.

    Raises:
        AddressUnreachable: no answer came in time; the call is left behind.
    """
    found: list[_T] = []
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            found.append(call())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=ask, name=f"asking {address}", daemon=True)
    thread.start()
    thread.join(within)
    if failed:
        raise failed[0]
    if not found:
        raise AddressUnreachable(
            shown_address(address), f"no answer within {within:g} s", f"try again, or {_LOOK}"
        )
    return found[0]


class RemoteFolder:
    """Files below one address; names are relative to it, with ``/``.

    Every method raises an :class:`decamo.errors.AddressError` that says in one line what is wrong.
    """

    def __init__(self, address: str, fs: Any, root: str, *, folders: bool) -> None:
        self.address, self._fs, self._root, self._folders = address, fs, root.rstrip("/"), folders

    def __str__(self) -> str:
        return shown_address(self.address)

    def sizes(self, under: str = "") -> dict[str, int]:
        """Name -> bytes of the files right below a folder, as they are now; none where none is."""
        place = self._path(under) if under else self._root
        with _explained(self.address):
            self._fs.invalidate_cache()
            try:
                found = self._fs.ls(place, detail=True)
            except FileNotFoundError:
                return {}
        files = [one for one in found if one["type"] == "file"]
        return {one["name"].rpartition("/")[2]: int(one["size"] or 0) for one in files}

    def info(self, name: str = "") -> tuple[bool, int, str]:
        """Whether it is a folder, its bytes, and a text that is another one for other contents."""
        path = self._path(name) if name else self._root
        with _explained(self._shown(name)):
            self._fs.invalidate_cache()
            found = self._fs.info(path)
            return found["type"] == "directory", int(found["size"] or 0), self._fs.ukey(path)

    def read(self, name: str) -> bytes:
        """A whole small file."""
        with _explained(self._shown(name)):
            data: bytes = self._fs.cat_file(self._path(name))
        return data

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file, unless there is one of that name.

        Stores that cannot promise that are asked first.

        Returns:
            whether it was written.
        """
        path = self._path(name)
        with _explained(self._shown(name)):
            self._make_parent(path)
            if self._fs.exists(path):
                return False
            try:
                self._fs.pipe_file(path, data, mode="create")
            except FileExistsError:
                return False
            except (TypeError, NotImplementedError):
                self._fs.pipe_file(path, data)
            except OSError as error:
                if error.errno not in (errno.ENOSYS, errno.ENOTSUP):
                    raise
                self._fs.pipe_file(path, data)
        return True

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, whatever was there."""
        with _explained(self._shown(name)):
            self._make_parent(self._path(name))
            self._fs.pipe_file(self._path(name), data)

    def upload(self, name: str, file: BinaryIO, length: int) -> None:
        """Write the first ``length`` bytes of a file, part by part: two parts are in memory."""
        path = self._path(name)
        with _explained(self._shown(name)):
            self._make_parent(path)
            out = self._fs.open(path, "wb", block_size=_PART)
            try:
                left = length
                while left and (chunk := file.read(min(left, _CHUNK))):
                    out.write(chunk)
                    left -= len(chunk)
                if left:
                    raise OSError(errno.EIO, f"{left} bytes of {length} could not be read here")
                out.close()
            except BaseException:
                _abandon(out)
                raise

    def download(self, name: str, path: str) -> None:
        """Write a file's bytes to a local path, which is not whole before this returns."""
        with _explained(self._shown(name)):
            self._fs.get_file(self._path(name) if name else self._root, path)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; what is gone already is no error."""
        for name in names:
            with _explained(self._shown(name)), contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _shown(self, name: str) -> str:
        return f"{self.address}/{name}" if name else self.address

    def _make_parent(self, path: str) -> None:
        # s3fs would make a missing bucket: a mistyped one is to be told
        if self._folders:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)


def _abandon(out: Any) -> None:
    """Let go of a file that was not written to its end, without completing what is there."""
    if isinstance(out, AbstractBufferedFile):
        with contextlib.suppress(Exception):
            out.discard()
        out.closed = True
    else:
        with contextlib.suppress(Exception):
            out.close()


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Whatever a file system raises as one of our errors."""
    try:
        yield
    except (AddressError, MissingExtra):
        raise
    except Exception as error:  # each file system has errors of its own kind
        raise _error_of(address, error) from error


def _error_of(address: str, error: Exception) -> AddressError:
    what = shown_address(address)
    said = _said(address, error)
    if isinstance(error, FileNotFoundError):
        return AddressMissing(what, f"no such file or bucket ({said})", _LOOK)
    if type(error).__name__ in _NO_CREDENTIALS:
        return AddressError(what, f"no credentials ({said})", "set them, such as by AWS_PROFILE")
    if isinstance(error, PermissionError):
        return AddressError(what, f"refused ({said})", "give credentials that may use it")
    if isinstance(error, ValueError | TypeError | NotImplementedError):
        return AddressError(what, f"cannot be used ({said})", _LOOK)
    return AddressUnreachable(what, said, f"try again, or {_LOOK}")


def _said(address: str, error: Exception) -> str:
    """The error's own words in a line, without what is secret in the address."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words.replace(address, shown_address(address))[:300]
