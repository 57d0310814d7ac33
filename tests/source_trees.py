"""What our modules import, each file of them parsed once."""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Imported", "imported_by"]


class Imported(NamedTuple):
    """An import statement.

    Attributes:
        statement: as it was parsed.
        waits: it stands in a function, and waits for a call.
        for_types: only type checkers read it.
    """

    statement: ast.Import | ast.ImportFrom
    waits: bool
    for_types: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Dotted names of the modules."""
        if isinstance(self.statement, ast.Import):
            return tuple(alias.name for alias in self.statement.names)
        assert self.statement.level == 0, "imports are absolute"
        assert self.statement.module is not None
        return (self.statement.module,)


@cache
def imported_by(path: Path) -> tuple[Imported, ...]:
    """All imports of a file, functions included."""
    return tuple(_imports(ast.parse(path.read_text()).body))


def _imports(
    body: Sequence[ast.stmt], waits: bool = False, for_types: bool = False
) -> Iterator[Imported]:
    """Only statements are looked through, as no expression can import."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield Imported(node, waits, for_types)
        test = node.test if isinstance(node, ast.If) else None
        inside = waits or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        typed = for_types or (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING")
        for block in ("body", "orelse", "finalbody"):
            yield from _imports(getattr(node, block, ()), inside, typed)
        for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _imports(part.body, inside, typed)
