"""What a module calls public exists, is documented, and is all that others use."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import decamo
from tests.source_trees import imported_by

SOURCE = Path(decamo.__file__).parent
# A test a part and not a module: hundreds of tests cost more than what they look at.
PARTS: dict[str, dict[str, Path]] = {}
for _path in sorted(SOURCE.rglob("*.py")):
    _words = ("decamo", *_path.relative_to(SOURCE).with_suffix("").parts)
    _name = ".".join(_words).removesuffix(".__init__")
    PARTS.setdefault(_words[1], {})[_name] = _path

# Rooms whose names are taken from their own modules, and what is run.
WITHOUT_NAMES = {"decamo.commands", "decamo.data", "decamo.export", "decamo.__main__"}


@pytest.mark.parametrize("part", PARTS)
def test_public_names_exist_and_are_documented(part: str) -> None:
    for name in PARTS[part]:
        module = importlib.import_module(name)
        assert (module.__doc__ or "").strip(), f"{name} has no docstring"
        public = getattr(module, "__all__", None)
        if public is None:
            assert name in WITHOUT_NAMES, f"{name} has no __all__"
            continue
        assert len(public) == len(set(public)), f"{name} has doubled names"
        for item in public:
            value = getattr(module, item)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert inspect.getdoc(value), f"{name}.{item} has no docstring"


@pytest.mark.parametrize("part", PARTS)
def test_modules_use_only_the_public_names_of_others(part: str) -> None:
    for name, path in PARTS[part].items():
        for found in imported_by(path):
            node = found.statement
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("decamo."):
                other = importlib.import_module(str(node.module))
                for alias in node.names:
                    taken = f"{name} takes {alias.name} from {node.module}"
                    assert alias.name in other.__all__, taken
