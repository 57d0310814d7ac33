"""Shared by all tests: offline, one thread, and a small data set of procedural scenes."""

import gc
import importlib
import multiprocessing
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

    from tests.ray_cluster import Nodes

os.environ["HF_HUB_OFFLINE"] = "1"  # a test that needs the network is wrong

import pytest


def pytest_sessionstart() -> None:
    """Nothing of what collecting makes is garbage; nothing is reported to anybody's server."""
    gc.disable()
    # OpenVINO does so by a process of its own at each import, where this can be imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def pytest_collection(session: pytest.Session) -> None:
    """Of many processes each imports other files first, and finds the rest compiled by others.

    Pytest compiles the asserts of every file on a fresh clone: seconds, in each process.
    """
    given = getattr(session.config, "workerinput", None)
    if given is None or session.config.args != session.config.getini("testpaths"):
        return
    files = sorted(_HERE.rglob("test_*.py"))
    number, of = int(given["workerid"].removeprefix("gw")), given["workercount"]
    mine = files[len(files) * number // of : len(files) * (number + 1) // of]
    for path in mine if number else ():  # the first process begins there in any case
        name = ".".join(path.relative_to(_HERE.parent).with_suffix("").parts)
        with suppress(Exception, pytest.skip.Exception):  # told when its turn comes
            importlib.import_module(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests on a cluster come first: one process has them all, and they mostly wait."""
    items.sort(key=lambda item: not _on_a_cluster(item))


def _on_a_cluster(item: pytest.Item | None) -> bool:
    return isinstance(item, pytest.Function) and "three_nodes" in item.fixturenames


_HERE = Path(__file__).parent
_MANY = 50  # modules; a library has hundreds
_frozen_at = [0]  # modules that were loaded then


def pytest_collection_finish(session: pytest.Session) -> None:
    """8,000 tests and all libraries stay: nobody's `gc.collect()` goes through them again.

    Where no long test is asked for, half as many examples are drawn as Hypothesis has by itself.
    """
    if "hypothesis" in sys.modules and session.config.option.markexpr == "not long":
        from hypothesis import settings

        settings.register_profile("fast", max_examples=50)
        settings.load_profile("fast")
    _freeze()  # what little is garbage stays: to find it takes most of a second in each process
    gc.enable()


def _freeze() -> None:
    gc.freeze()
    _frozen_at[0] = len(sys.modules)


def pytest_unconfigure() -> None:
    """Libraries in C++ count at the end what was never let go of."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny tensors: threads cost more than they bring."""
    import torch  # the process that hands out the tests does without

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _no_power_cut() -> Iterator[None]:
    """Files stay in memory a while: no test pulls the plug, and waits for disks take minutes."""
    to_disk = os.fsync

    def fsync(fd: "FileDescriptorLike") -> None:
        mode = os.fstat(fd if isinstance(fd, int) else fd.fileno()).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            to_disk(fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


@pytest.fixture(scope="session", autouse=True)
def _stuck_threads_are_left_soon() -> Iterator[None]:
    """Dozens of tests read a file that never comes; nothing else of theirs takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("decamo.data.read_ahead._LEAVE_S", 0.1)
        yield


@pytest.fixture(autouse=True)
def _plans_are_not_painted() -> None:
    """Each run draws its plan as it begins: all but the pixels, which take it as long as an epoch.

    ``tests/report`` has a look at these. Whoever never trains in this process has no such module.
    """
    place = sys.modules.get("decamo.api.run_place")
    if place is not None and not isinstance(place.draw_plan, partial):
        place.draw_plan = partial(_unpainted, place.draw_plan)  # type: ignore[attr-defined]


def _unpainted(draw: Callable[..., None], *what: Any) -> None:
    from matplotlib.figure import Figure
    from PIL import Image, PngImagePlugin

    def save(_: Figure, out: BinaryIO, *, format: str, metadata: dict[str, str]) -> None:
        held = PngImagePlugin.PngInfo()
        for name, text in metadata.items():
            held.add_text(name, text)
        Image.new("L", (1, 1)).save(out, format, pnginfo=held)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", save)
        draw(*what)


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """What a test started has ended with it, as it does when a command is over."""
    yield
    left = multiprocessing.active_children()
    for child in left:  # none of the tests that follow is to suffer for it
        child.kill()
        child.join()
    assert left == []


@pytest.fixture(scope="session")
def three_nodes() -> "Iterator[Nodes]":
    """A cluster for all tests that ask for it."""
    from tests.ray_cluster import NODES

    yield NODES
    NODES.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Between files: libraries that tests have loaded stay too, as those of the collection do.

    Behind the last test on a cluster it ends: others are not to share the cores with it.
    """
    yield
    another = nextitem is None or nextitem.path != item.path  # what a file's tests share has gone
    if another and len(sys.modules) > _frozen_at[0] + _MANY:
        gc.collect()
        _freeze()
    if _on_a_cluster(item) and not _on_a_cluster(nextitem):
        from tests.ray_cluster import NODES

        NODES.close()


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """15 training and 4 test scenes of 64 px in COD10K-v3 layout; one training scene is empty."""
    from decamo.data.scenes import write_scenes

    root = tmp_path_factory.mktemp("data") / "scenes"
    write_scenes(
        root,
        train=15,
        test=4,
        size=64,
        noncam_share=0.1,
        seed=1,
        on_progress=lambda _done, _of: None,
    )
    return root
