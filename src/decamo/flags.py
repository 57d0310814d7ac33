"""Flags made from the settings dataclasses, so that a flag exists in one place."""

import argparse
import difflib
import json
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, NoReturn

from decamo import __version__
from decamo.errors import SettingsError
from decamo.history.reading import STANDARD_INPUT
from decamo.plan import Ledger
from decamo.recipes import RECIPES
from decamo.settings import Option, RunSettings, TrainSettings, flag_of, shown
from decamo.settings.plain import SECTIONS, Kind, from_plain, kinds, merged, section_of
from decamo.storage import RunFolder
from decamo.storage.outputs import Read, Written, check_outputs, write_output
from decamo.training import resumption_of

__all__ = [
    "Parser",
    "add_data_timeout",
    "add_settings",
    "add_views",
    "add_wanted",
    "check_run_outputs",
    "chosen_settings",
    "read_config",
    "reads_of",
    "reads_of_past",
    "write_json",
]

# A resume says anew what these are; the checkpoint's own are not carried on.
_NOT_CARRIED = {
    "run": ("resume_from", "resume", "budget", "checkpoint_dir"),
    "optimise": ("reset_moments",),
}
_RESUME_FROM = kinds(SECTIONS["run"])["resume_from"]


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, with the nearest flag as remedy."""

    def __init__(self, prog: str, description: str = "", **kwargs: Any) -> None:
        super().__init__(prog=prog, description=description, **kwargs)
        self.allow_abbrev = False  # a flag added later must not change what an old command means

    def parse(self, argv: list[str]) -> argparse.Namespace:
        """Parse all of ``argv``.

        Raises:
            SettingsError: an unknown flag, or a value of the wrong type.
        """
        # argparse gives a positional that may be empty up as empty where a flag comes first
        loose = any(a.nargs == "*" and not a.option_strings for a in self._actions)
        read = self.parse_known_intermixed_args if loose else self.parse_known_args
        known, unknown = read(argv)
        if unknown:
            close = difflib.get_close_matches(unknown[0].partition("=")[0], _flags_of(self), n=2)
            remedy = f"did you mean {' or '.join(close)}?" if close else f"see {self.prog} --help"
            raise SettingsError(unknown[0], f"unknown to {self.prog}", remedy)
        return known

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into one of ours."""
        what, _, got = message.removeprefix("argument ").partition(": ")
        if not message.startswith("argument "):  # it speaks of the whole line, not of one flag
            what, got = self.prog, message
        raise SettingsError(what.split("/")[0], got, f"see {self.prog} --help")


def _flags_of(parser: argparse.ArgumentParser) -> list[str]:
    """Every flag of a parser and of its verbs."""
    flags = [flag for action in parser._actions for flag in action.option_strings]
    verbs = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return flags + [f for a in verbs for verb in a.choices.values() for f in _flags_of(verb)]


def add_views(add: Callable[..., Any]) -> None:
    """Add the flags of how maps are made, by a group's ``add_argument``: views and decision."""
    add("--flips", action="store_true", help="average with the map of the mirrored image")
    add("--scales", type=float, nargs="+", default=[1.0], metavar="X",
        help="average over magnifications of what the network sees, such as 1 1.25")  # fmt: skip
    add("--look-closer", action="store_true",
        help="then look again at the window around what was found, in the file's own"
        " pixels")  # fmt: skip
    add("--decide", default="half", choices=("half", "iou"),
        help="half: object is what is more likely than not (default). iou: the region of the best"
        " expected IoU, for images that do hold an object; maps are shifted to it")  # fmt: skip


def add_data_timeout(add: Callable[..., Any]) -> None:
    """Add the flag that says how long a file is waited for, as ``decamo train`` has it."""
    add("--data-timeout", default="3m", metavar="TIME",
        help="give a file up that is not read to its end for so long (3m)")  # fmt: skip


def add_wanted(add: Callable[..., Any]) -> None:
    """Add the flags that say of data sets what their folders do not, as ``decamo train`` has."""
    names: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "NAME"}
    add("--train-on", **names, help="folders or files that are to train on, by name or pattern")
    add("--test-on", **names, help="folders or files that are to test on, by name or pattern")
    add("--mask-suffix", default="", metavar="NAME",
        help="what the names of masks have behind those of their images (default: found by"
        " itself)")  # fmt: skip


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``, ``--recipe`` and every option of :class:`TrainSettings`, by section."""
    first = parser.add_argument_group("where settings come from (later ones win)")
    first.add_argument("--config", type=Path, help="a TOML file such as a run folder's config.toml")
    first.add_argument(
        "--recipe", choices=sorted(RECIPES), help="named settings; flags given beside it win"
    )
    parser.usage = f"{parser.prog} [flags]"  # seventy flags in a heap tell nothing
    for section, cls in SECTIONS.items():
        summary = (cls.__doc__ or "").splitlines()[0]
        group = parser.add_argument_group(f"{section}: {summary.rstrip('.')}")
        known = kinds(cls)
        for field in fields(cls):
            _add_flag(group, field, known[field.name])


def _add_flag(group: argparse._ArgumentGroup, field: Field[Any], kind: Kind) -> None:
    option: Option = field.metadata["option"]
    unit = f"{option.unit}; " if option.unit else ""
    default = "" if field.default in (None, ()) else f"{unit}default {shown(field.default)}"
    help = f"{option.help} ({default or unit.rstrip('; ')})" if default or unit else option.help
    keywords: dict[str, Any] = {
        "dest": field.name,
        "default": argparse.SUPPRESS,
        "help": help.replace("%", "%%"),
    }
    if kind.base is bool:
        group.add_argument(flag_of(field.name), action=argparse.BooleanOptionalAction, **keywords)
        return
    if option.choices:
        keywords["choices"] = option.choices
    else:
        keywords["metavar"] = {int: "N", float: "X", Path: "PATH", str: "NAME"}[kind.base]
    if kind.count:
        keywords["nargs"] = kind.count
    elif kind.many:
        keywords |= {"nargs": "+", "action": "extend"}
    group.add_argument(flag_of(field.name), type=kind.base, **keywords)


def chosen_settings(args: argparse.Namespace) -> tuple[TrainSettings, dict[str, Any] | None]:
    """Settings from all their sources, and the checkpoint to go on from, if any.

    Later sources win: defaults, the checkpoint's own settings, ``--config``, ``--recipe``, flags.
    With ``--resume auto`` the newest checkpoint of the run folder comes before ``--resume-from``,
    unless these flags would turn that run into another one: so the same command begins a branch
    once, and goes on with it in every later session.

    Raises:
        SettingsError: a source says what cannot be meant.
        CheckpointError: the checkpoint cannot be used.
    """
    config = read_config(args.config) if args.config else {}
    recipe = RECIPES[args.recipe] if args.recipe else {}
    upper = merged(config, recipe, _given(args))
    run = upper.get("run", {})
    resume_from = _RESUME_FROM.convert("resume_from", run.get("resume_from"))
    if run.get("resume") == "auto":
        place = RunSettings().checkpoint_dir if resume_from is None else resume_from.parent
        own = _of_this_run(RunFolder(Path(run.get("checkpoint_dir", place))), upper)
        if own is not None and (resume_from is None or _goes_on(*own)):
            return own
    if resume_from is not None:
        return _over(resume_from, upper)
    return from_plain(upper), None


def _of_this_run(
    folder: RunFolder, upper: dict[str, dict[str, Any]]
) -> tuple[TrainSettings, dict[str, Any]] | None:
    """The run folder's newest checkpoint under these flags; None where the folder holds none."""
    if not any(folder.root.glob("*.pth")):
        return None
    from decamo.storage.recover import newest_of  # torch, for a resume alone: decisions/0007

    newest = newest_of(folder, _warn)
    if newest is None:
        return None
    # Moments were forgotten when the run began, not again in each session.
    return _over(newest, merged(upper, {"optimise": {"reset_moments": False}}))


def _over(path: Path, upper: dict[str, dict[str, Any]]) -> tuple[TrainSettings, dict[str, Any]]:
    """A checkpoint, and its own settings under those given now."""
    from decamo.storage.recover import load_or_previous  # torch, for a resume alone: decisions/0007

    found = load_or_previous(path)
    for note in found.notes:
        _warn(note)
    upper = _without_answered(upper, found.state, found.path)
    home = {"run": {"checkpoint_dir": str(found.path.parent)}}
    lower = merged(_carried(found.state["settings"]), home)
    return from_plain(merged(lower, upper, {"run": {"resume_from": found.path}})), found.state


def _without_answered(
    upper: dict[str, dict[str, Any]], checkpoint: dict[str, Any], path: Path
) -> dict[str, dict[str, Any]]:
    """Without what was asked for in the same words before a race of this run found better."""
    asked = Ledger.from_plain(checkpoint["ledger"]).last.asked
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


def _goes_on(settings: TrainSettings, checkpoint: dict[str, Any]) -> bool:
    """Whether a run under these settings is the checkpoint's own, so far as flags decide."""
    last = Ledger.from_plain(checkpoint["ledger"]).last
    try:
        went = resumption_of(settings, checkpoint, images=last.images, world=last.world)
    except SettingsError:  # it is at its end, or its plan cannot be laid
        return settings.schedule == last.schedule
    return went.word == "continue"


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
        raise SettingsError(path, str(error), "give --config a readable TOML file") from error
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        raise SettingsError(path, f"not TOML: {error}", "mend that line") from error


def _given(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The options that stand on the command line, by section."""
    given: dict[str, dict[str, Any]] = {}
    options = {f.name for cls in SECTIONS.values() for f in fields(cls)}
    for name, value in vars(args).items():
        if name in options:
            given.setdefault(section_of(name), {})[name] = value
    return given


def _carried(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        section: {k: v for k, v in values.items() if k not in _NOT_CARRIED.get(section, ())}
        for section, values in settings.items()
    }


def reads_of(args: argparse.Namespace, settings: TrainSettings) -> list[Read]:
    """All files and data sets that a command with the settings' flags reads."""
    named = {
        "--config": getattr(args, "config", None),
        "--resume-from": settings.run.resume_from,
        "--backbone-weights": settings.model.backbone_weights,
        "--teacher": settings.optimise.teacher,
    }
    files = [Read(flag, path) for flag, path in named.items() if path is not None]
    return files + [Read("--dataset-path", path) for path in settings.data.dataset_path]


def check_run_outputs(
    args: argparse.Namespace, settings: TrainSettings, also_read: Sequence[Read] = ()
) -> None:
    """Refuse a run that would write over what it reads.

    The checkpoint that it goes on from and its own ``config.toml`` may lie in the run folder: the
    one is copied there first, as is the other where a person wrote it.

    Args:
        args: with ``json``, and ``config`` if there is one.
        settings: of the run.
        also_read: files that no setting names.

    Raises:
        SettingsError: names both.
    """
    folder = RunFolder(settings.run.checkpoint_dir)
    reads = [*reads_of(args, settings), *also_read]
    json = [Written("--json", args.json)] if args.json else []
    check_outputs([*reads, Read("--checkpoint-dir", folder.root)], json)
    kept = ("--resume-from", "--config", "CHECKPOINT")
    home = folder.root.resolve()
    others = [r for r in reads if r.flag not in kept or r.path.resolve().parent != home]
    check_outputs(others, [*folder.written(), *json])


def reads_of_past(names: Sequence[str]) -> list[Read]:
    """Run folders and logs as :func:`decamo.history.read_past` takes them."""
    return [Read("RUN", Path("/dev/stdin" if name == STANDARD_INPUT else name)) for name in names]


def write_json(path: Path | None, report: Mapping[str, Any]) -> None:
    """Write a command's report where ``--json`` asks for it, under the version that wrote it.

    Raises:
        StorageError: it cannot be written.
    """
    if path is not None:
        if "decamo" not in report:
            report = {"decamo": __version__} | dict(report)
        write_output(path, (json.dumps(report, indent=2, default=str) + "\n").encode())
