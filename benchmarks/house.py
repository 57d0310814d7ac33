"""How the source stands: files in the wheel, lengths, doubled names, imports against the ladder.

What it prints can be compared from release to release; ``tests/test_ladder.py`` and
``tests/test_names.py`` hold what must not get worse.
"""

import argparse
import ast
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import decamo
from decamo.cli import COMMANDS
from decamo.flags import Parser, write_json

__all__ = [
    "add_arguments",
    "doubled_modules",
    "doubled_names",
    "packages_of_help",
    "run",
    "source_files",
]

SOURCE = Path(decamo.__file__).parent


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks house``."""
    parser.add_argument("--all", action="store_true", help="every doubled name, not only counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Print the numbers; returns 0."""
    files = source_files()
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    longest = max(lengths, key=lambda path: lengths[path])
    names, modules = doubled_names(files), doubled_modules(files)
    helps = {command: packages_of_help(command) for command in COMMANDS}
    print(f"files in the wheel: {len(files)}, {sum(lengths.values())} lines")
    print(f"longest file: {longest.relative_to(SOURCE)}, {lengths[longest]} lines")
    print(f"files over 350 lines: {sum(n > 350 for n in lengths.values())}")
    print(f"files of at most 60 lines: {sum(n <= 60 for n in lengths.values())}")
    for what, doubled in (("class and function names", names), ("module names", modules)):
        print(f"{what} defined more than once: {len(doubled)}")
        if args.all:
            for name, homes in sorted(doubled.items()):
                print(f"  {name}: {', '.join(homes)}")
    for command, packages in helps.items():
        of_others = ", ".join(sorted(packages)) or "nothing of others"
        print(f"decamo {command} --help imports: {of_others}")
    report = {
        "files": len(files),
        "lines": sum(lengths.values()),
        "longest": [str(longest.relative_to(SOURCE)), lengths[longest]],
        "doubled_names": names,
        "doubled_modules": modules,
        "help_imports": {command: sorted(packages) for command, packages in helps.items()},
    }
    write_json(args.json, report)
    return 0


def source_files() -> list[Path]:
    """All Python files of the wheel."""
    return sorted(SOURCE.rglob("*.py"))


def doubled_names(files: list[Path]) -> dict[str, list[str]]:
    """Public classes and functions that more than one file defines at its top level.

    What every file of a kind has by contract (a command's ``run`` and ``add_arguments``, a
    program's ``main``) is left out.
    """
    homes: dict[str, list[str]] = defaultdict(list)
    for path in files:
        for name in _top_level(ast.parse(path.read_text())):
            homes[name].append(str(path.relative_to(SOURCE)))
    return {name: found for name, found in homes.items() if len(found) > 1}


def _top_level(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if (
            isinstance(node, ast.ClassDef | ast.FunctionDef)
            and not node.name.startswith("_")
            and node.name not in ("run", "add_arguments", "main")
        ):
            yield node.name


def doubled_modules(files: list[Path]) -> dict[str, list[str]]:
    """Module names that more than one file has; ``__init__`` aside."""
    homes: dict[str, list[str]] = defaultdict(list)
    for path in files:
        if path.stem not in ("__init__", "__main__"):
            homes[path.stem].append(str(path.relative_to(SOURCE)))
    return {name: found for name, found in homes.items() if len(found) > 1}


def packages_of_help(command: str) -> set[str]:
    """Packages of others that ``decamo COMMAND --help`` has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", _HELP, command],
        env=os.environ | {"PYTHONPATH": str(SOURCE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    names = set(done.stderr.split()) - sys.stdlib_module_names - {"decamo"}
    return {name for name in names if not name.startswith("_")}


_HELP = """
import contextlib, sys
from decamo.cli import main
with contextlib.suppress(SystemExit):
    main([sys.argv[1], "--help"])
tops = {n for n in sys.modules if "." not in n and getattr(sys.modules[n], "__spec__", None)}
print(*tops, file=sys.stderr)
"""
