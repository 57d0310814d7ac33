"""A run's place: its folder with one owner, its processes, and what it leaves there at first."""

import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from decamo.checkpoint import Checkpoint
from decamo.checkpoint.load_save import read_outline
from decamo.errors import DecamoError, SettingsError
from decamo.report.console import Console
from decamo.report.plan_picture import draw_plan
from decamo.schedule import SegmentKind
from decamo.settings import TrainSettings
from decamo.settings.plain import merged, to_plain
from decamo.settings.words import seconds_of
from decamo.storage import RunFolder, check_space, file_bytes, run_bytes, write_whole
from decamo.storage.owner import Ownership, own
from decamo.training.checkpoint_manager import keep_former_best
from decamo.training.choosing import Given, choose_settings
from decamo.training.prepare import Prepared
from decamo.training.runtime import Runtime, close_runtime, open_runtime, world_size

__all__ = [
    "as_it_is_now",
    "closing_runtime",
    "leave_traces",
    "output_of",
    "owned_folder",
    "runtime_of",
    "write_config",
]


@contextmanager
def owned_folder(folder: RunFolder, runtime: Runtime, con: Console) -> Iterator[Ownership | None]:
    """Own the run folder; of several processes that train together the first one does."""
    with ExitStack() as stack:
        owned: Ownership | None = None
        refusal: DecamoError | None = None
        if runtime.is_main:
            try:
                owned = stack.enter_context(own(folder.root, say=con.say))
            except DecamoError as error:
                refusal = error
        if runtime.any(refusal is not None):
            raise refusal or SettingsError(
                "--checkpoint-dir",
                f"{folder.root} was refused to the first process",
                "see what that one says",
            )
        yield owned


def as_it_is_now(
    given: Given,
    settings: TrainSettings,
    checkpoint: Checkpoint | None,
    runtime: Runtime,
    say: Callable[[str], None],
) -> tuple[Given, TrainSettings, Checkpoint | None]:
    """All three, read again if the run has moved on since they were.

    Its owner may have ended only now; or ``torchrun`` has started these processes in place of
    others, and what those have saved is this command's own.
    """
    path, root = settings.run.resume_from, settings.run.checkpoint_dir
    if settings.run.resume != "auto" and _goes_on_by_itself(settings, runtime):
        given = merged(given, {"run": {"resume": "auto", "checkpoint_dir": root}})
        say("torchrun has started this run again: it goes on from its newest checkpoint by itself")
        return given, *choose_settings(given)
    if checkpoint is None or path is None:
        moved = any(root.glob("*.pth")) and settings.run.resume == "auto"
    else:
        moved = read_outline(path, check=False).position != checkpoint.position
    return given, *(choose_settings(given) if moved else (settings, checkpoint))


def _goes_on_by_itself(settings: TrainSettings, runtime: Runtime) -> bool:
    """Whether processes of this very command have trained in the run folder before."""
    root, path = settings.run.checkpoint_dir.resolve(), settings.run.resume_from
    if runtime.remembers(f"saved {root}"):
        return True
    # Killed about the first save: what lies there is this command's own, unless the folder had
    # checkpoints before, of which one is to be gone on from.
    before = path is not None and path.resolve().parent == root
    return runtime.remembers(f"begun {root}") and not before


def runtime_of(settings: TrainSettings) -> Runtime:
    """Device and processes; a run of several processes cannot race branches by itself."""
    if world_size() > 1 and settings.run.on_plateau == "escape":
        raise SettingsError(
            "--on-plateau",
            f"got escape under torchrun, in {world_size()} processes for one trial",
            "give --on-plateau stop, then decamo escape --on ray, which uses all devices",
        )
    alone = seconds_of("data_timeout", settings.data.data_timeout)
    return open_runtime(settings.run.device, settings.run.precision, alone)


@contextmanager
def closing_runtime(runtime: Runtime) -> Iterator[None]:
    """Leave together with the other processes; after an error at once, telling them why."""
    try:
        yield
        runtime.phase("the end")
        runtime.part()
    except BaseException as error:
        close_runtime(runtime, error)
        raise
    close_runtime(runtime)


def output_of(runtime: Runtime) -> Any:
    """Only the first process talks."""
    return sys.stdout if runtime.is_main else _Silence()


class _Silence:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...


def leave_traces(
    con: Console, settings: TrainSettings, folder: RunFolder, prepared: Prepared
) -> None:
    """What the run folder holds from the first minute: settings, picture, the file resumed from."""
    model, run = prepared.trainer.state.model, settings.run
    size = file_bytes(
        sum(t.nbytes for t in model.state_dict().values()), average=settings.optimise.use_ema
    )
    every = settings.schedule.last_epoch // run.keep_every if run.keep_every else 0
    check_space(folder.root, run_bytes(folder.root, size, snapshots=run.keep_last + every))
    resume_from = settings.run.resume_from
    goes_on = settings.run.resume == "auto" and prepared.resumption.kind is SegmentKind.CONTINUE
    if resume_from is not None and not goes_on:
        copy = folder.protect(resume_from, prepared.resumption.position.epoch)
        if copy is not None:
            con.say(f"kept: {copy} is the checkpoint that this run goes on from")
    if (kept := keep_former_best(folder, prepared.trainer.state)) is not None:
        con.say(f"kept: {kept} is the best of the images that validated before")
    if folder.config.exists() and not _is_generated(folder.config):
        con.say(f"kept: {folder.keep_given_config()} is the config.toml that lay there")
    write_config(folder, settings)
    draw_plan(folder.picture, prepared.resumption.lineage, prepared.resumption.position)


def write_config(folder: RunFolder, settings: TrainSettings) -> None:
    """The settings in force as the run folder's ``config.toml``."""
    config = tomli_w.dumps(_without_none(to_plain(settings)))
    write_whole(folder.config, config.encode(errors="surrogateescape"))


def _is_generated(config: Path) -> bool:
    """Whether a TOML file is as a run writes it, without a comment or a line of anyone's own."""
    try:
        text = config.read_text(encoding="utf-8", errors="surrogateescape")
        return tomli_w.dumps(tomllib.loads(text)) == text
    except (OSError, ValueError):  # no TOML, or no UTF-8
        return False


def _without_none(plain: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """TOML has no null: an option without a value is left out."""
    return {s: {k: v for k, v in values.items() if v is not None} for s, values in plain.items()}
