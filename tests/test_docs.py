"""What README and docs say of the program is so: commands parse, flags and files exist, links lead.

``make docs`` checks more of the site; these need nothing that the other tests do not.
"""

import argparse
import ast
import importlib
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import decamo
from benchmarks.__main__ import BENCHMARKS
from decamo.cli import COMMANDS
from decamo.errors import DecamoError
from decamo.flags import Parser
from decamo.races.branch import branches_of

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")],
    key=lambda page: page.relative_to(ROOT),
)
# A decision says how things stood when it was written, with the names of then.
LASTING = [page for page in PAGES if "decisions" not in page.parts]

PROGRAMS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "decamo": ("decamo.commands", COMMANDS),
    "python -m decamo": ("decamo.commands", COMMANDS),
    "python train_ultimate.py": ("decamo.commands", COMMANDS),
    "torchrun --nproc-per-node 2 -m decamo": ("decamo.commands", COMMANDS),
    "torchrun --nproc-per-node 2 --max-restarts 3 -m decamo": ("decamo.commands", COMMANDS),
    "python -m benchmarks": ("benchmarks", BENCHMARKS),
}
# Flags of other programs that the pages name.
FOREIGN = {
    "--torch-backend": "uv",
    "--no-deps": "uv",
    "--nproc-per-node": "torchrun",
    "--max-restarts": "torchrun",
    "--nnodes": "torchrun",
    "--signals-to-handle": "torchrun",
    "--torchrun": "scripts/soak.py",
    "--signal": "sbatch",
    "--kills": "scripts/soak.py",
    "--head": "ray",
    "--data-binary": "curl",
}
EVERYWHERE = {"--help", "--debug", "--version"}
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]")
BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(
    r"(?:tests|findings|scripts|src|benchmarks|docs)/[\w./-]+\.(?:py|sh|md|toml|json)"
)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def parser_of(program: str, command: str) -> Parser:
    package, commands = PROGRAMS[program]
    assert command in commands, f"{program} has no command {command}"
    parser = Parser(prog=f"{program} {command}")
    importlib.import_module(f"{package}.{command.replace('-', '_')}").add_arguments(parser)
    return parser


def flags_in(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from flags_in(verb)


@cache
def known_flags() -> frozenset[str]:
    return frozenset(
        flag
        for program in ("decamo", "python -m benchmarks")
        for command in PROGRAMS[program][1]
        for flag in flags_in(parser_of(program, command))
    )


def blocks(text: str, language: str) -> Iterator[str]:
    for match in BLOCK.finditer(text):
        if match[2] == language:
            yield re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)


def called(line: str) -> tuple[str, list[str]] | None:
    """The program of ours that a line calls, and the words behind it."""
    for program in sorted(PROGRAMS, key=len, reverse=True):
        if line.startswith(program + " "):
            return program, shlex.split(line.removeprefix(program), comments=True)
    return None


def commands_in(text: str) -> Iterator[str]:
    """Each simple command of a page's blocks of shell, with variables that they set filled in."""
    variables: dict[str, str] = {}
    for line in "\n".join(blocks(text, "sh")).replace("\\\n", " ").splitlines():
        if match := re.match(r'(\w+)="(.*)"$', line.strip()):
            variables[match[1]] = match[2]
            continue
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        for part in re.split(r" \| | && |; do |^until ", line):
            yield part.strip()


def slugs(page: Path) -> set[str]:
    """Anchors of a page's headings, as Python-Markdown and GitHub make them."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", head.lower()).strip()) for head in heads}


def test_there_is_something_to_check() -> None:
    shown = [line for page in LASTING for line in commands_in(page.read_text(encoding="utf-8"))]
    assert sum(called(line) is not None for line in shown) > 60
    assert len(known_flags()) > 120


@pytest.mark.parametrize("page", LASTING, ids=name_of)
def test_every_command_line_parses(page: Path) -> None:
    for line in commands_in(page.read_text(encoding="utf-8")):
        if (found := called(line)) is None or found[1][0] in EVERYWHERE:
            continue
        program, (command, *words) = found
        try:
            parser_of(program, command).parse([word for word in words if word != "..."])
        except DecamoError as error:
            pytest.fail(f"{line}\n{error}")


@pytest.mark.parametrize("page", LASTING, ids=name_of)
def test_every_flag_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    unknown = set(FLAG.findall(text)) - known_flags() - set(FOREIGN) - EVERYWHERE
    assert not unknown, f"no parser has {sorted(unknown)}"


@pytest.mark.parametrize("page", LASTING, ids=name_of)
def test_a_command_named_in_a_sentence_has_the_flags_it_is_named_with(page: Path) -> None:
    for span in SPAN.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        program = next((p for p in sorted(PROGRAMS, key=len)[::-1] if span.startswith(f"{p} ")), "")
        words = span.removeprefix(program).split()
        if not program or words[0] in EVERYWHERE or not words[0].isalpha() or words[0].isupper():
            continue
        wrong = set(FLAG.findall(span.removeprefix(program)))
        wrong -= set(flags_in(parser_of(program, words[0]))) | EVERYWHERE
        assert not wrong, f"`{span}`: {sorted(wrong)}"


def test_every_foreign_flag_is_still_named() -> None:
    named = {flag for page in LASTING for flag in FLAG.findall(page.read_text(encoding="utf-8"))}
    assert set(FOREIGN) <= named
    assert not set(FOREIGN) & known_flags()


@pytest.mark.parametrize("page", LASTING, ids=name_of)
def test_every_file_of_the_source_that_is_named_exists(page: Path) -> None:
    for span in SPAN.findall(page.read_text(encoding="utf-8")):
        for named in FILE.findall(span):
            assert (ROOT / named).exists(), f"{named} is not there"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in slugs(target), f"{link}: {target.name} has no such heading"


def test_the_site_shows_every_page_once() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    shown = re.findall(r"[\w/.-]+\.md", navigation)
    pages = {str(p.relative_to(ROOT / "docs")) for p in PAGES if (ROOT / "docs") in p.parents}
    assert sorted(shown) == sorted(pages)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_reference_pages_name_what_exists(page: Path) -> None:
    for name in re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        home, _, last = name.rpartition(".")
        found = getattr(importlib.import_module(home), last, None) if home else None
        assert (found or importlib.import_module(name)).__doc__


def test_the_whole_public_face_is_on_its_page() -> None:
    page = (ROOT / "docs/reference/decamo.md").read_text(encoding="utf-8")
    missing = [n for n in decamo.__all__ if not re.search(rf"\bdecamo\.{n}\b", page)]
    assert missing in ([], ["__version__"]), "a line `::: decamo.NAME` shows it"


@pytest.mark.parametrize("page", LASTING, ids=name_of)
def test_branches_and_python_in_the_pages_can_be_read(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in blocks(text, "python"):
        ast.parse(block)
    for block in blocks(text, "toml"):
        file = tmp_path / "branches.toml"
        file.write_text(block)
        assert branches_of(file)
