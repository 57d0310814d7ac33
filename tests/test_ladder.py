"""The architecture, enforced: imports only go down, and those inside functions spare a package."""

import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import decamo
from tests.source_trees import imported_by

SOURCE = Path(decamo.__file__).parent

# Lowest first; a room may import from rooms on earlier lines only.
LADDER: list[set[str]] = [
    {"errors", "streams", "system"},
    {"extras", "settings", "stop_signals"},
    {"recipes", "geometry", "storage", "schedule", "metrics"},
    {"data", "nn", "history", "cluster"},
    {"losses", "diagnosis", "checkpoint"},
    {"inference", "mirror"},
    {"export"},
    {"evaluation"},
    {"training", "report", "trackers", "server"},
    {"flags"},
    {"races"},
    {"api"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(LADDER) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


# A test a room and not a file: hundreds of tests cost more than what they look at.
ROOMS: dict[str, list[Path]] = {}
for _path in sorted(p for p in SOURCE.rglob("*.py") if p != SOURCE / "__init__.py"):
    ROOMS.setdefault(room_of(_path), []).append(_path)

# What must load without torch: choosing and planning should be instant.
NO_TORCH = {
    "errors",
    "extras",
    "stop_signals",
    "streams",
    "system",
    "settings",
    "recipes",
    "schedule",
    "metrics",
    "history",
    "diagnosis",
    "cluster",
}

# What importing a room may load beside the standard library (docs/decisions/0007); others nothing.
NUMPY = {"numpy", "PIL"}
TORCH = {"torch", "timm", "huggingface_hub", "safetensors"}
MAY_LOAD = {
    "metrics": NUMPY,
    "data": NUMPY,
    "checkpoint": NUMPY,
    "inference": NUMPY,
    "mirror": set(),
    "export": NUMPY,
    "evaluation": NUMPY,
    "races": NUMPY,
    "diagnosis": {"numpy", "scipy"},
    "geometry": {"torch"},
    "nn": TORCH,
    "losses": TORCH,
    "trackers": NUMPY | {"torch"},
    "server": NUMPY | {"starlette", "jinja2", "python_multipart"},
}


def module_of(path: Path) -> str:
    parts = ("decamo", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """Dotted names of the modules that a file imports as it runs, functions included."""
    return (n for found in imported_by(path) if not found.for_types for n in found.names)


def inside_functions(path: Path) -> set[str]:
    """The ones among them that wait for a call."""
    waiting = (f for f in imported_by(path) if f.waits and not f.for_types)
    return {name for found in waiting for name in found.names}


@cache  # read where a test asks, as every process of pytest imports this file
def files() -> dict[str, Path]:
    """Our modules, by name."""
    return {module_of(path): path for path in SOURCE.rglob("*.py")}


@cache
def at_once(module: str) -> frozenset[str]:
    """What importing a module of ours imports itself."""
    path = files()[module]
    return frozenset(imported(path)) - inside_functions(path)


@cache
def loads(module: str) -> frozenset[str]:
    """The packages of others that importing one of our modules loads, through all of ours."""
    found: set[str] = set()
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        if name.split(".")[0] != "decamo":
            found.add(name.split(".")[0])
            continue
        parents = name.split(".")
        todo += [".".join(parents[:n]) for n in range(1, len(parents))]  # their __init__ runs too
        todo += at_once(name)
    return frozenset(found - sys.stdlib_module_names)


@pytest.mark.parametrize("own", ROOMS)
def test_imports_only_go_down(own: str) -> None:
    assert own in LEVEL, f"{own} is not on the ladder"
    for path in ROOMS[own]:
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "decamo" and len(parts) > 1 and parts[1] != own:
                assert LEVEL[parts[1]] < LEVEL[own], f"{path} imports {name}"
            if own in NO_TORCH:
                assert parts[0] not in {"torch", "torchvision", "timm"}, f"{path} imports {name}"


def test_no_files_import_one_another_in_a_circle() -> None:
    """Counting the imports inside functions, which could hide one."""
    ours = {m: {n for n in imported(path) if n in files()} for m, path in files().items()}
    TopologicalSorter(ours).prepare()  # raises CycleError, which names the files


def test_the_product_imports_nothing_of_what_proves_it() -> None:
    for module, path in files().items():
        assert not any(n.split(".")[0] in ("benchmarks", "tests") for n in imported(path)), module


@pytest.mark.parametrize("room", ROOMS)
def test_an_import_inside_a_function_spares_a_package(room: str) -> None:
    for path in ROOMS[room]:
        own = module_of(path)
        for name in inside_functions(path):
            assert name in files(), f"{own} imports {name} in a function: make it a module"
            spared = loads(name) - loads(own)
            assert spared, f"{own} imports {name} in a function, which spares nothing"


@pytest.mark.parametrize("room", sorted(LEVEL.keys() - {"commands"}))
def test_importing_a_room_loads_no_more_than_it_may(room: str) -> None:
    assert loads(f"decamo.{room}") <= MAY_LOAD.get(room, set())


def test_the_trainer_knows_no_listener() -> None:
    loop = (SOURCE / "training" / "trainer.py").read_text().lower()
    for listener in ("tensorboard", "journal", "console", "report", "rich"):
        assert listener not in loop.replace("a generator of events that knows no listener", "")
