"""Networks on the Hugging Face hub: fetched by two fixed file names, pushed in one commit."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from decamo.errors import CheckpointMissing, HubError, SettingsError
from decamo.inference.pretrained_folder import CARD, CONFIG, LARGEST, WEIGHTS

__all__ = ["HUB", "HubPlace", "fetch_folder", "push_folder"]

HUB = "hf://"
_TIMEOUT = 10.0  # seconds for the hub's first answer
_WORD = r"[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"  # never ``..``
_PLACE = re.compile(rf"({_WORD}/{_WORD})(?:@({_WORD}(?:/{_WORD})*))?")
_REFUSED = (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError, GatedRepoError)


@dataclass(frozen=True)
class HubPlace:
    """A model on the hub.

    Attributes:
        repository: ``USER/NAME``.
        revision: branch, tag or commit; empty for the newest.
    """

    repository: str
    revision: str = ""

    def __str__(self) -> str:
        return f"{HUB}{self.repository}{'@' * bool(self.revision)}{self.revision}"

    @staticmethod
    def of(name: str) -> "HubPlace":
        """Of ``hf://USER/NAME@REVISION``; neither ``hf://`` nor the revision needs to be there.

        Raises:
            SettingsError: it is no such name.
        """
        parts = _PLACE.fullmatch(name.removeprefix(HUB))
        if parts is None:
            raise SettingsError(
                f"{name:.120}",
                "no name of a model on the hub",
                "give USER/NAME, or USER/NAME@REVISION",
            )
        return HubPlace(parts[1], parts[2] or "")


def fetch_folder(name: str) -> Path:
    """The folder of a model on the hub, fetched once and kept by the hub's client.

    Where the hub is out of reach, the copy of that revision on this machine is taken, and a line on
    standard error says so.

    Args:
        name: ``hf://USER/NAME``, with ``@REVISION`` for another than the newest.

    Raises:
        CheckpointMissing: the hub has no such model, refuses, or cannot be reached within seconds.
        SettingsError: it is no name of a model.
    """
    place = HubPlace.of(name)
    try:
        _check_size(place, CONFIG, place.revision)
    except _REFUSED as error:
        raise _missing(place, _reason(error), "check its name and your token") from error
    except CheckpointMissing:
        raise
    except Exception as error:  # the hub's client changed its HTTP library twice, and may again
        return _kept(place, error)
    try:
        config = Path(_file(place, CONFIG, place.revision))
        commit = config.parent.name  # both files are of one commit
        _check_size(place, WEIGHTS, commit)
        return Path(_file(place, WEIGHTS, commit)).parent
    except CheckpointMissing:
        raise
    except Exception as error:  # as above, and the disk's
        raise _missing(place, _reason(error), "check its name, or try again") from error


def push_folder(
    folder: Path, place: HubPlace, *, private: bool, token: str | None, message: str
) -> HubPlace:
    """Put a folder that ``save_folder`` wrote on the hub, in one commit.

    Args:
        folder: its three files are pushed, nothing else.
        place: made where it is missing.
        private: of a model that is made, whether others may see it.
        token: of the hub (default: that of ``hf auth login`` or ``HF_TOKEN``).
        message: of the commit.

    Returns:
        the place, at the commit that was made.

    Raises:
        HubError: there is no token, the hub cannot be reached, or it refuses.
    """
    token = token or huggingface_hub.get_token()
    if not token:
        raise HubError(str(place), "no token for the hub", "run `hf auth login`, or set HF_TOKEN")
    api = huggingface_hub.HfApi(token=token)
    try:
        _check_visible(api, place, private)
        api.create_repo(place.repository, private=private, exist_ok=True)
        added = [
            huggingface_hub.CommitOperationAdd(name, str(folder / name))
            for name in (WEIGHTS, CONFIG, CARD)
        ]
        done = api.create_commit(
            place.repository, added, commit_message=message, revision=place.revision or None
        )
    except HubError:
        raise
    except Exception as error:  # as in fetch_folder
        refused = isinstance(error, HfHubHTTPError | ValueError)
        remedy = "check the name and what your token may do" if refused else "try again online"
        raise HubError(str(place), f"cannot be pushed ({_reason(error)})", remedy) from error
    return HubPlace(place.repository, done.oid)


def _check_visible(api: huggingface_hub.HfApi, place: HubPlace, private: bool) -> None:
    """Ask once with a short timeout; refuse to push what should be private where all can see it."""
    try:
        known = api.model_info(place.repository, timeout=_TIMEOUT)
    except RepositoryNotFoundError:
        return
    if private and not known.private:
        raise HubError(
            str(place),
            "is public, and private was asked for",
            "change it on the hub, or name another",
        )


def _check_size(place: HubPlace, file: str, revision: str) -> None:
    """Ask once with a short timeout; refuse a file too large to be what it should."""
    url = huggingface_hub.hf_hub_url(place.repository, file, revision=revision or None)
    found = huggingface_hub.get_hf_file_metadata(url, timeout=_TIMEOUT)
    if found.size is not None and found.size > LARGEST[file]:
        raise _missing(
            place, f"its {file} has {found.size} bytes, more than {LARGEST[file]}", "name another"
        )


def _file(place: HubPlace, file: str, revision: str, *, here: bool = False) -> str:
    return huggingface_hub.hf_hub_download(
        place.repository,
        file,
        revision=revision or None,
        etag_timeout=_TIMEOUT,
        local_files_only=here,
    )


def _kept(place: HubPlace, error: Exception) -> Path:
    """The copy on this machine; the hub's error where there is none."""
    try:
        folder = Path(_file(place, CONFIG, place.revision, here=True)).parent
        _file(place, WEIGHTS, folder.name, here=True)
    except LocalEntryNotFoundError:
        raise _missing(place, _reason(error), "go online once, or give a folder") from error
    sys.stderr.write(
        f"decamo: {place}: the hub is out of reach, the copy of commit {folder.name[:12]} on this"
        " machine is taken\n"
    )
    return folder


def _missing(place: HubPlace, reason: str, remedy: str) -> CheckpointMissing:
    return CheckpointMissing(str(place), f"cannot be had from the hub ({reason})", remedy)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (" ".join(lines) or type(error).__name__)[:200]
