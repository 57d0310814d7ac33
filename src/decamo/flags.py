"""Flags made from the settings dataclasses, so that a flag exists in one place."""

import argparse
import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, fields
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from decamo import __version__
from decamo.cluster import OnRay, Share, where_of
from decamo.errors import SettingsError
from decamo.recipes import RECIPES
from decamo.settings import Option, flag_of, shown
from decamo.settings.plain import SECTIONS, OptionType, by_section, kinds
from decamo.storage.json_text import json_pieces
from decamo.storage.outputs import Read, write_streamed
from decamo.streams import STANDARD_INPUT
from decamo.training.choosing import Given, insist_on_named_code, layered, read_config

__all__ = [
    "Parser",
    "actions_of",
    "add_data_timeout",
    "add_network",
    "add_place",
    "add_settings",
    "add_views",
    "add_wanted",
    "given_by",
    "options_given",
    "place_given",
    "reads_of_past",
    "write_json",
]


_VERB = "VERB"  # metavar of the second word of a command
_CHOICE = re.compile(r"invalid choice: (?P<got>.*?) \(choose from (?P<choices>.*)\)", re.DOTALL)


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
            close = _nearest(unknown[0].partition("=")[0], _flags_of(self))
            remedy = f"did you mean {' or '.join(close)}?" if close else f"see {self.prog} --help"
            raise SettingsError(unknown[0], f"unknown to {self.prog}", remedy)
        return known

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into one of ours."""
        what, _, got = message.removeprefix("argument ").partition(": ")
        if not message.startswith("argument "):  # it speaks of the whole line, not of one flag
            what, got = self.prog, message
        if what == _VERB:
            what = self.prog
        remedy = f"see {self.prog} --help"
        if choice := _CHOICE.fullmatch(got):
            got = f"got {choice['got']}"
            choices = [word.strip("'\"") for word in choice["choices"].split(", ")]
            close = difflib.get_close_matches(choice["got"].strip("'\""), choices, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"choose from {', '.join(choices)}"
        raise SettingsError(what.split("/")[0], got, remedy)


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every flag and argument of a parser and of its verbs."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from actions_of(verb)


def _flags_of(parser: argparse.ArgumentParser) -> list[str]:
    return [flag for action in actions_of(parser) for flag in action.option_strings]


# What other programs of the field call their flags; by spelling alone `--wd` would be `--seed`.
_WORDS_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "--checkpoint-dir": ("out", "output-dir", "save-dir", "work-dir", "run-dir", "log-dir"),
    "--out": ("output-dir", "save-dir", "work-dir", "dest", "target"),
    "--dataset-path": ("data", "data-dir", "data-path", "data-root", "dataset", "root", "dataroot"),
    "--img-size": ("image-size", "size", "input-size", "imgsz", "trainsize", "resolution"),
    "--num-workers": ("workers", "nworkers", "j"),
    "--batch-size": ("batch", "bs", "batchsize"),
    "--accumulation-steps": ("accumulate", "grad-accum", "gradient-accumulation-steps"),
    "--epochs": ("num-epochs", "max-epochs", "epoch", "n-epochs"),
    "--lr": ("learning-rate", "base-lr", "lrate"),
    "--weight-decay": ("wd", "decay"),
    "--precision": ("amp", "fp16", "bf16", "half", "mixed-precision", "autocast"),
    "--device": ("gpu", "gpus", "cuda", "gpu-id"),
    "--network": ("model", "arch", "net", "model-name"),
    "--backbone": ("encoder", "model", "arch", "backbone-name"),
    "--backbone-weights": ("pretrained-weights", "pretrain", "encoder-weights"),
    "--resume-from": ("load", "ckpt", "checkpoint", "resume-path", "weights"),
    "--val-fraction": ("val-split", "validation-split", "val-ratio"),
    "--tracker": ("logger", "report-to", "wandb", "tensorboard"),
    "--use-ema": ("ema", "model-ema"),
    "--clip-grad": ("grad-clip", "clip-norm", "max-grad-norm", "gradient-clip-val", "clip"),
}  # fmt: skip


def _nearest(given: str, flags: Sequence[str]) -> list[str]:
    """At most two of ``flags`` that ``given`` may have meant: by meaning, else by spelling."""
    word = given.lstrip("-").replace("_", "-").lower()
    meant = [f for f, words in _WORDS_ELSEWHERE.items() if word in words and f in flags]
    if meant:
        return meant[:2]
    names = {flag.lstrip("-"): flag for flag in flags}
    return [names[name] for name in difflib.get_close_matches(word, names, n=2)]


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


def add_network(add: Callable[..., Any], **how: Any) -> None:
    """Add the flag that names again what a checkpoint has from a file, for it brings no code."""
    add("--network", metavar="FILE.py:FUNCTION", **how,
        help="the network of a checkpoint that has it from a file; the file is run")  # fmt: skip


def add_place(parser: argparse.ArgumentParser, unit: str) -> None:
    """Add the flags that say where work runs: in this process, or as tasks of a cluster.

    Args:
        parser: takes them, as a group.
        unit: what a task does, such as ``trial``.
    """
    group = parser.add_argument_group(f"where each {unit} runs (default: one by one, here)")
    group.add_argument(
        "--on",
        metavar="ray[:ADDRESS]",
        help="many at once on a Ray cluster, with the same scores; ADDRESS: auto or HOST:PORT"
        " (default: RAY_ADDRESS, else this machine alone); pip install 'decamo[ray]'",
    )
    for name, what, default in (
        ("gpus", "GPUs", "one where the cluster has any"),
        ("cpus", "cores", "one beside a GPU, else one a thread of this command"),
    ):
        group.add_argument(
            f"--{name}-per-{unit}",
            type=float,
            metavar="X",
            help=f"{what} that each {unit} reserves, with --on (default: {default})",
        )


def place_given(args: argparse.Namespace, unit: str) -> tuple[OnRay | None, Share]:
    """What :func:`add_place` added.

    Raises:
        SettingsError: names the flag.
    """
    cpus, gpus = (getattr(args, f"{name}_per_{unit}") for name in ("cpus", "gpus"))
    return where_of(args.on), Share(cpus, gpus, unit)


def add_wanted(add: Callable[..., Any]) -> None:
    """Add the flags that say of data sets what their folders do not, as ``decamo train`` has."""
    names: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "NAME"}
    add("--train-on", **names, help="folders or files that are to train on, by name or pattern")
    add("--test-on", **names, help="folders or files that are to test on, by name or pattern")
    add("--mask-suffix", default="", metavar="NAME",
        help="what the names of masks have behind those of their images; found by itself where"
        " it is not given")  # fmt: skip


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``, ``--recipe`` and every option of :class:`TrainSettings`, by section."""
    first = parser.add_argument_group("where settings come from (later ones win)")
    first.add_argument("--config", type=Path, help="a TOML file such as a run folder's config.toml")
    first.add_argument(
        "--recipe", choices=sorted(RECIPES),
        help="named settings; flags given beside it win, and a checkpoint keeps its network",
    )  # fmt: skip
    parser.usage = f"{parser.prog} [flags]"  # seventy flags in a heap tell nothing
    for section, cls in SECTIONS.items():
        summary = (cls.__doc__ or "").splitlines()[0]
        group = parser.add_argument_group(f"{section}: {summary.rstrip('.')}")
        known = kinds(cls)
        for field in fields(cls):
            _add_flag(group, field, known[field.name])


def _add_flag(group: argparse._ArgumentGroup, field: Field[Any], kind: OptionType) -> None:
    option: Option = field.metadata["option"]
    unit = f"{option.unit}; " if option.unit else ""
    default = "" if field.default in (None, (), "") else f"{unit}default {shown(field.default)}"
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


def given_by(args: argparse.Namespace) -> Given:
    """What was given; of one option given twice ``--recipe`` wins over ``--config``, and flags win.

    Raises:
        SettingsError: a source says what cannot be meant.
    """
    config = read_config(args.config) if args.config else {}
    options = options_given(args)
    if args.config:
        insist_on_named_code(options, config, args.config)
    return layered(config, args.recipe, options)


def options_given(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The options that stand on the command line, by section."""
    options = {f.name for cls in SECTIONS.values() for f in fields(cls)}
    return by_section({name: value for name, value in vars(args).items() if name in options})


def reads_of_past(names: Sequence[str]) -> list[Read]:
    """Run folders and logs as :func:`decamo.history.read_training_log` takes them."""
    return [Read("RUN", Path("/dev/stdin" if name == STANDARD_INPUT else name)) for name in names]


def write_json(path: Path | None, report: Mapping[str, Any]) -> None:
    """Write a command's report where ``--json`` asks for it, under the version that wrote it.

    Raises:
        StorageError: it cannot be written.
    """
    if path is not None:
        if "decamo" not in report:
            report = {"decamo": __version__} | dict(report)
        write_streamed(path, (piece.encode() for piece in chain(json_pieces(report), "\n")))
