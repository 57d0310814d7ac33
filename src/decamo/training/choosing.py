"""Which settings a run has, from all that says something about them, and which files it touches."""

import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decamo.errors import SettingsError
from decamo.mirror import local_checkpoint
from decamo.recipes import RECIPES
from decamo.schedule import SegmentKind
from decamo.settings import RunSettings, TrainSettings, flag_of
from decamo.settings.addresses import address_in
from decamo.settings.expert_names import check_experts
from decamo.settings.network_names import is_code
from decamo.settings.option import one_of
from decamo.settings.plain import SECTIONS, by_section, from_plain, kinds, merged, to_plain
from decamo.settings.schedule import height_of
from decamo.storage import RunFolder
from decamo.storage.outputs import Read, Written, check_outputs
from decamo.training.resumption import resumption_of

if TYPE_CHECKING:  # numpy and Pillow, which a plan needs not: decisions/0007
    from decamo.checkpoint import Checkpoint

__all__ = [
    "Config",
    "Given",
    "check_run_outputs",
    "choose_settings",
    "folder_of",
    "given_of",
    "insist_on_named_code",
    "layered",
    "read_config",
    "reads_of",
    "with_local_files",
]


def reads_of(settings: TrainSettings) -> list[Read]:
    """All files and data sets that a run with these settings reads."""
    named = {
        "--resume-from": settings.run.resume_from,
        "--backbone-weights": settings.model.backbone_weights,
        "--teacher": settings.optimise.teacher,
    }
    files = [Read(flag, path) for flag, path in named.items() if path is not None]
    files += [Read("--unlabelled", path) for path in settings.data.unlabelled]
    return files + [Read("--dataset-path", path) for path in settings.data.dataset_path]


def check_run_outputs(
    settings: TrainSettings, reads: Sequence[Read] = (), writes: Sequence[Written] = ()
) -> None:
    """Refuse a run that would write over what it reads.

    The checkpoint that it goes on from and its own ``config.toml`` may lie in the run folder: the
    one is copied there first, as is the other where a person wrote it.

    Args:
        settings: of the run.
        reads: files that no setting names.
        writes: outside of the run folder.

    Raises:
        SettingsError: names both.
    """
    folder = RunFolder(settings.run.checkpoint_dir)
    reads = [*reads_of(settings), *reads]
    check_outputs([*reads, Read("--checkpoint-dir", folder.root)], writes)
    kept = ("--resume-from", "--config", "CHECKPOINT")
    home = folder.root.resolve()
    others = [r for r in reads if r.flag not in kept or r.path.resolve().parent != home]
    check_outputs(others, [*folder.written(), *writes])


Given = Mapping[str, Mapping[str, Any]]
"""Options that somebody gave, by section and name; others are the checkpoint's, or the default."""

Config = TrainSettings | Mapping[str, Any] | str | Path | None
"""Settings, or some of them: whole, by section, by name, or in a TOML file such as a run's own."""

# A resume says anew what these are; the checkpoint's own are not carried on.
_NOT_CARRIED = {
    "run": ("resume_from", "resume", "budget", "checkpoint_dir", "mirror"),
    "optimise": ("reset_moments",),
}
_RESUME_FROM = kinds(SECTIONS["run"])["resume_from"]
_READ_HERE = (("optimise", "teacher"), ("model", "backbone_weights"))


def given_of(config: Config = None, *, recipe: str | None = None, **options: Any) -> Given:
    """What was given in Python, by section and name.

    Args:
        config: settings; a mapping holds sections, or options by their names.
        recipe: name of settings that win over ``config``, such as ``conservative``.
        options: by their names, such as ``epochs=120``; they win over both.

    Raises:
        SettingsError: an option or a recipe that is not known, or a file that cannot be read.
    """
    if recipe is not None:
        one_of("recipe", recipe, tuple(RECIPES))
    if isinstance(config, TrainSettings):
        config = to_plain(config)
    elif isinstance(config, str | Path):
        path, config = config, read_config(Path(config))
        insist_on_named_code(by_section(options), config, path)
    sections = {k: v for k, v in (config or {}).items() if k in SECTIONS}
    named = {k: v for k, v in (config or {}).items() if k not in SECTIONS}
    return layered(merged(sections, by_section(named)), recipe, by_section(options))


def layered(config: Given, recipe: str | None, options: Given) -> Given:
    """Options by where they come from: a recipe wins over a config, single options over both.

    The network that a recipe names is one to begin with: a run that goes on from a checkpoint has
    its own, and keeps it.

    Args:
        config: of a file.
        recipe: name of settings, if any.
        options: given one by one.
    """
    if recipe is None:
        return merged(config, options)
    chosen = RECIPES[recipe]
    if _has_a_past(merged(config, options)):
        chosen = {section: values for section, values in chosen.items() if section != "model"}
    return merged(config, chosen, options)


def _has_a_past(given: Given) -> bool:
    run = given.get("run", {})
    goes_on = run.get("resume") == "auto" and any(folder_of(given).glob("*.pth"))
    return bool(run.get("resume_from")) or goes_on


def insist_on_named_code(given: Given, held: Given, source: object) -> None:
    """Refuse to run a Python file that a checkpoint or a config names and the user does not.

    Args:
        given: options that the user gave beside it.
        held: options in force, those of the checkpoint or config among them.
        source: the checkpoint or config, for the error.

    Raises:
        SettingsError: names the flag.
    """
    for section, name in (("model", "network"), ("optimise", "teacher_network")):
        value = held.get(section, {}).get(name)
        if isinstance(value, str) and is_code(value) and name not in given.get(section, {}):
            raise SettingsError(
                flag_of(name),
                f"not given, but {source} names {value}, and brings no code",
                f"name it again: {flag_of(name)} FILE.py:FUNCTION",
            )


def with_local_files(given: Given) -> Given:
    """Options whose ``--resume-from`` is a file of this machine, fetched where it is an address.

    Raises:
        SettingsError: another path is an address.
        AddressError: the checkpoint cannot be had.
    """
    run = given.get("run", {})
    if address_in(place := run.get("checkpoint_dir") or ""):
        raise SettingsError(
            "--checkpoint-dir", f"got the address {place}",
            f"name a folder of this machine, and give --mirror {address_in(place)}",
        )  # fmt: skip
    named: list[tuple[str, Any]] = []
    for name in ("dataset_path", "unlabelled"):
        data = given.get("data", {}).get(name) or ()
        named += [(name, one) for one in ([data] if isinstance(data, str | Path) else data)]
    named += [(name, given.get(section, {}).get(name) or "") for section, name in _READ_HERE]
    for name, path in named:
        if address_in(path):
            raise SettingsError(
                flag_of(name), f"got the address {path}", "copy it to this machine, and name that"
            )
    resume_from = run.get("resume_from")
    if not resume_from or not address_in(resume_from):
        return given
    here: dict[str, Any] = {"checkpoint_dir": RunSettings().checkpoint_dir}
    return merged({"run": here}, given, {"run": {"resume_from": local_checkpoint(resume_from)}})


def folder_of(given: Given) -> Path:
    """The run folder that options mean: ``--checkpoint-dir``, else that of ``--resume-from``."""
    run = given.get("run", {})
    resume_from = _RESUME_FROM.convert("resume_from", run.get("resume_from"))
    place = RunSettings().checkpoint_dir if resume_from is None else resume_from.parent
    return Path(run.get("checkpoint_dir", place))


def choose_settings(given: Given) -> "tuple[TrainSettings, Checkpoint | None]":
    """The settings in force, and the checkpoint to go on from, if any.

    What is given wins over the checkpoint's own settings, and those over the defaults. With
    ``--resume auto`` the newest checkpoint of the run folder comes before ``--resume-from``,
    unless these flags would turn that run into another one: so the same command begins a branch
    once, and goes on with it in every later session.

    Raises:
        SettingsError: a source says what cannot be meant.
        CheckpointError: the checkpoint cannot be used.
    """
    settings, checkpoint = _chosen(given)
    # Here and not where settings are read: who predicts, scores or diagnoses needs none of them.
    height_of(settings.schedule.scheduler)
    height_of(settings.schedule.stage1_scheduler, "--stage1-scheduler")
    check_experts(settings.model.experts)
    labelled_by = settings.optimise.teacher or settings.run.resume_from
    if settings.data.unlabelled and labelled_by is None:
        raise SettingsError(
            "--unlabelled",
            "there is no network that could label the photographs",
            "give --teacher CHECKPOINT, such as the best_model.pth of a run on the labelled images,"
            " or go on from one with --resume-from",
        )
    return settings, checkpoint


def _chosen(given: Given) -> "tuple[TrainSettings, Checkpoint | None]":
    upper = merged(given)
    run = upper.get("run", {})
    resume_from = _RESUME_FROM.convert("resume_from", run.get("resume_from"))
    if run.get("resume") == "auto":
        own = _of_this_run(RunFolder(folder_of(upper)), upper)
        if own is not None and (resume_from is None or _goes_on(*own)):
            return own
    if resume_from is not None:
        return _over(resume_from, upper)
    return from_plain(upper), None


def _of_this_run(
    folder: RunFolder, upper: dict[str, dict[str, Any]]
) -> "tuple[TrainSettings, Checkpoint] | None":
    """The run folder's newest checkpoint under these flags; None where the folder holds none."""
    if not any(folder.root.glob("*.pth")):
        return None
    from decamo.checkpoint.load_save import newest_of  # torch, for a resume alone: decisions/0007

    newest = newest_of(folder, _warn)
    if newest is None:
        return None
    # Moments were forgotten when the run began, not again in each session.
    return _over(newest, merged(upper, {"optimise": {"reset_moments": False}}))


def _over(path: Path, upper: dict[str, dict[str, Any]]) -> "tuple[TrainSettings, Checkpoint]":
    """A checkpoint, and its own settings under those given now."""
    from decamo.checkpoint.load_save import (
        load_or_previous,  # torch, for a resume alone: decisions/0007
    )

    found = load_or_previous(path)
    for note in found.notes:
        _warn(note)
    held = found.checkpoint
    upper = _without_answered(upper, held, found.path)
    home = {"run": {"checkpoint_dir": str(found.path.parent)}}
    lower = merged(_carried(to_plain(held.settings)), home)
    return from_plain(merged(lower, upper, {"run": {"resume_from": found.path}})), held


def _without_answered(
    upper: dict[str, dict[str, Any]], checkpoint: "Checkpoint", path: Path
) -> dict[str, dict[str, Any]]:
    """Without what was asked for in the same words before a race of this run found better."""
    asked = checkpoint.lineage.last.asked
    answered = [
        (section, name)
        for section, values in asked.items()
        for name, value in values.items()
        if name in upper.get(section, {})
        and kinds(SECTIONS[section])[name].convert(name, upper[section][name])
        == kinds(SECTIONS[section])[name].convert(name, value)
    ]
    if answered:
        flags = ", ".join(flag_of(name) for _, name in answered)
        _warn(f"{path.name} goes on with the winner of a race, not with {flags} as before it")
    return {
        section: {k: v for k, v in values.items() if (section, k) not in answered}
        for section, values in upper.items()
    }


def _goes_on(settings: TrainSettings, checkpoint: "Checkpoint") -> bool:
    """Whether a run under these settings is the checkpoint's own, so far as flags decide."""
    last = checkpoint.lineage.last
    try:
        went = resumption_of(settings, checkpoint, images=last.images, world=last.world)
    except SettingsError:  # it is at its end, or its plan cannot be laid
        return settings.schedule == last.schedule
    return went.kind is SegmentKind.CONTINUE


def _warn(note: str) -> None:
    sys.stderr.write(f"decamo: {note}\n")


def read_config(path: Path) -> dict[str, Any]:
    """A TOML file as nested plain values.

    Raises:
        SettingsError: it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        got = getattr(error, "strerror", None) or str(error)
        raise SettingsError(path, got, "give --config a readable TOML file") from error
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        raise SettingsError(path, f"not TOML: {error}", "mend that line") from error


def _carried(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        section: {k: v for k, v in values.items() if k not in _NOT_CARRIED.get(section, ())}
        for section, values in settings.items()
    }
