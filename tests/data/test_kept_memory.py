"""What glibc is told of a reading process's memory, seen by the pages that the kernel fills."""

import importlib
import os
import subprocess
import sys

import pytest
import torch

from decamo.data import dataset, kept_memory
from decamo.data.dataset import BatchReader, Errand
from decamo.data.kept_memory import keep_freed_memory
from decamo.flags import Parser

# Arrays as a sample has them, of less than what NumPy asks huge pages for (4 MB). Prints whether it
# was set, and the faults of fifty rounds: where pages are huge, still one for each array.
PROBE = """
import resource, sys
import numpy as np
from decamo.data.kept_memory import keep_freed_memory
print(int(sys.argv[1] == "kept" and keep_freed_memory()))
def thrice():
    first = np.ones(3_000_000, np.uint8)
    second = first + 1
    third = second + 1
for _ in range(5):
    thrice()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    thrice()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def probe(word: str, **settings: str) -> tuple[int, int]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, word],
        env=kept | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    was_set, faults = done.stdout.split()
    return int(was_set), int(faults)


def is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError):
        return False


@pytest.mark.skipif(not is_glibc(), reason="other libraries allocate in their own way")
def test_freed_memory_comes_back_without_faults() -> None:
    was_set, faults = probe("kept")
    assert was_set
    assert faults < 50  # less than one a round, of 2,200 pages
    assert probe("left")[1] >= 150


@pytest.mark.skipif(not is_glibc(), reason="other libraries allocate in their own way")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MALLOC_TRIM_THRESHOLD_", "131072"),
        ("MALLOC_MMAP_THRESHOLD_", "131072"),
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=131072"),
    ],
)
def test_ones_own_settings_are_left_alone(name: str, value: str) -> None:
    was_set, faults = probe("kept", **{name: value})
    assert not was_set
    assert faults >= 150


def test_a_library_that_has_no_such_setting_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_freed_memory.cache_clear()
    monkeypatch.setattr(os, "confstr", lambda name: None, raising=False)
    assert not keep_freed_memory()
    keep_freed_memory.cache_clear()


class _Asked(Exception):
    pass


@pytest.mark.parametrize("name", ["train", "escape"])
def test_a_command_that_trains_asks_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def asked(*, trains: bool) -> None:
        assert trains
        raise _Asked

    command = importlib.import_module(f"decamo.commands.{name}")
    monkeypatch.setattr(kept_memory, "keep_freed_memory", asked)
    if hasattr(command, "keep_freed_memory"):
        monkeypatch.setattr(command, "keep_freed_memory", asked)
    parser = Parser(prog=name)
    command.add_arguments(parser)
    with pytest.raises(_Asked):
        command.run(parser.parse(["none.pth"] if name == "escape" else []))


@pytest.mark.parametrize("alone", [True, False])
def test_only_a_process_that_does_nothing_but_read_asks(
    monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    asked = []
    monkeypatch.setattr(dataset, "keep_freed_memory", lambda: asked.append(True))
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    nothing = dataset.CamouflageDataset([], 32, seed=0, augment=True)
    BatchReader(nothing, None, alone=alone)(Errand([], None))
    assert asked == [True] * alone
