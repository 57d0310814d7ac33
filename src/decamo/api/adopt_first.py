"""``--resume-from`` another program's checkpoint: adopted first, then gone on from, in one step."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from decamo.api.adopting import adopt_given
from decamo.checkpoint.load_save import read_outline
from decamo.errors import CheckpointError, CheckpointForeign, SettingsError
from decamo.settings import RunSettings
from decamo.settings.network_names import OWN_NETWORK
from decamo.settings.plain import SECTIONS, kinds, merged
from decamo.storage.sealed import is_sealed
from decamo.training.choosing import Given
from decamo.training.runtime import world_size

__all__ = ["with_foreign_adopted"]

_RESUME_FROM = kinds(SECTIONS["run"])["resume_from"]
_OF_THE_PLACE = ("device", "precision", "seed")


@contextmanager
def with_foreign_adopted(
    given: Given, say: Callable[[str], None], *, dry_run: bool = False
) -> Iterator[Given]:
    """Options to train with, once a foreign checkpoint in them is a run in the run folder.

    The run's past goes by what its file says; the flags given are those of the way on from there.

    Args:
        given: options; unchanged where they name no foreign checkpoint with its network.
        say: takes a line for people.
        dry_run: whether nothing is to stay; the run is then made in a temporary folder.

    Raises:
        SettingsError: the run folder holds a run, or several processes would make it.
        CheckpointError: as :func:`decamo.adopt`.
    """
    path = _RESUME_FROM.convert("resume_from", given.get("run", {}).get("resume_from"))
    network = given.get("model", {}).get("network", OWN_NETWORK)
    if path is None or network == OWN_NETWORK or not _is_foreign(path):
        yield given
        return
    folder = Path(given["run"].get("checkpoint_dir", RunSettings().checkpoint_dir))
    if world_size() > 1:
        raise SettingsError(
            "--resume-from", f"{path} is another program's, and several processes would read it",
            f"make a run of it first: {_by_hand(path, network)}",
        )  # fmt: skip
    if any(folder.glob("*.pth")) and not dry_run:
        if given["run"].get("resume") != "auto":
            raise SettingsError(
                "--checkpoint-dir", f"{folder} holds a run, and --resume-from begins another",
                "go on with that one by --resume auto, or name a new folder",
            )  # fmt: skip
        yield merged(given, {"run": {"resume_from": None}})
        return
    with tempfile.TemporaryDirectory() as passing:
        out = Path(passing) / "adopted" if dry_run else folder
        try:
            adopted = adopt_given(path, _of_its_past(given), out=out)
        except SettingsError as error:
            if error.what != "--epoch":
                raise
            raise SettingsError(
                f"--resume-from {path}", "how many epochs are behind it is not in the file",
                f"say so: {_by_hand(path, network)} --epoch N",
            ) from error  # fmt: skip
        for line in adopted.lines():
            say(line)
        here: dict[str, Any] = {"resume_from": adopted.checkpoint, "checkpoint_dir": folder}
        yield merged(given, {"run": here})


def _is_foreign(path: Path) -> bool:
    """Whether another program wrote it: what is ours and damaged is no such thing."""
    try:
        read_outline(path, check=False)
    except CheckpointForeign:
        return not is_sealed(path)
    except CheckpointError:
        pass
    return False


def _of_its_past(given: Given) -> Given:
    """Without what is chosen for the way on."""
    run = {k: v for k, v in given.get("run", {}).items() if k in _OF_THE_PLACE}
    return {"run": run} | {k: given[k] for k in ("data", "model") if k in given}


def _by_hand(path: Path, network: str) -> str:
    return f"decamo adopt {path} --network {network} --out runs/adopted"
