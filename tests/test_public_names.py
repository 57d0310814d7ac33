"""What a module calls public exists, is documented, and is all that others use."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import decamo

SOURCE = Path(decamo.__file__).parent
MODULES = sorted(
    ".".join(("decamo", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
)


@pytest.mark.parametrize("name", MODULES)
def test_public_names_exist_and_are_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), f"{name} has no docstring"
    public = getattr(module, "__all__", None)
    if public is None:
        assert name in ("decamo.commands", "decamo.__main__"), f"{name} has no __all__"
        return
    assert list(public) == sorted(set(public), key=list(public).index), "doubled names"
    for item in public:
        value = getattr(module, item)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{name}.{item} has no docstring"


@pytest.mark.parametrize("name", MODULES)
def test_modules_use_only_the_public_names_of_others(name: str) -> None:
    path = SOURCE.joinpath(*name.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("decamo."):
            other = importlib.import_module(str(node.module))
            for alias in node.names:
                assert alias.name in other.__all__, f"{name} takes {alias.name} from {node.module}"
