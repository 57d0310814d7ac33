"""``decamo completion``: commands, flags, choices and files, completed by a shell."""

import argparse
import importlib
import pkgutil
from pathlib import Path

import shtab

from decamo import commands
from decamo.flags import Parser, actions_of

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo completion``."""
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="whose completion to print")


def run(args: argparse.Namespace) -> int:
    """Print the script that teaches a shell the program; returns the exit code."""
    root = Parser(prog="decamo")
    verbs = root.add_subparsers()
    for module in pkgutil.iter_modules(commands.__path__):
        command = importlib.import_module(f"{commands.__name__}.{module.name}")
        about = (command.__doc__ or "").splitlines()[0].partition(": ")[2]
        command.add_arguments(verbs.add_parser(module.name, help=about))  # shtab wants a help
    for action in actions_of(root):
        if action.type is Path:
            vars(action)["complete"] = shtab.FILE
    print(shtab.complete(root, shell=args.shell))
    return 0
