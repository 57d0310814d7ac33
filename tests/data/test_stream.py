"""Batches by several processes: the same, whatever becomes of those."""

import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from decamo.data.arena import Arena
from decamo.data.dataset import Batch, CamouflageDataset, EpochSampler, Sample, permutation
from decamo.data.pairs import Pair
from decamo.data.stream import BatchStream
from decamo.data.waiting import Patience, StopAsked
from decamo.errors import DataStalled, UnreadableImage

# Python 3.12 warns of every fork beside threads, which is how processes start on Linux by default
pytestmark = pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CamouflageDataset:
    folder = tmp_path_factory.mktemp("loader")
    rng = np.random.default_rng(0)
    pairs = []
    for number in range(7):
        image, mask = folder / f"{number}.png", folder / f"{number}m.png"
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(image)
        Image.fromarray(rng.random((20, 30)) < 0.5).save(mask)
        pairs.append(Pair(image, mask, str(number), "set", "train"))
    return CamouflageDataset(pairs, 16, seed=3, augment=True)


def sampler(count: int = 7, **changes: int) -> EpochSampler:
    defaults = {"seed": 1, "first_epoch": 1, "last_epoch": 2, "micro_batch": 3}
    return EpochSampler(count, **(defaults | changes))


# ---------------------------------------------------------------- loader


def test_batches_do_not_depend_on_the_number_of_workers(data: CamouflageDataset) -> None:
    here = list(BatchStream(data, sampler(), num_workers=0, pin_memory=False))
    there = list(BatchStream(data, sampler(), num_workers=2, pin_memory=False))
    assert [batch.size for batch in here] == [3, 3, 1, 3, 3, 1]
    assert len(there) == len(here)
    for a, b in zip(here, there, strict=True):
        assert a.keys == b.keys
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.mask, b.mask)
    assert here[0].image.shape == (3, 3, 16, 16)
    assert here[0].mask.shape == (3, 1, 16, 16)
    assert here[0].keys == tuple(f"set/{i}" for i in permutation(1, 1, 7)[:3])


def test_a_batch_holds_the_samples_of_its_addresses(data: CamouflageDataset) -> None:
    (first, *_) = BatchStream(data, sampler(), num_workers=0, pin_memory=False)
    for row, index in enumerate(permutation(1, 1, 7)[:3]):
        assert torch.equal(first.image[row], data[1, index].image)
        assert torch.equal(first.mask[row], data[1, index].mask)


@pytest.mark.parametrize("workers", [0, 1])
def test_no_global_generator_is_touched(data: CamouflageDataset, workers: int) -> None:
    before = torch.get_rng_state()
    list(BatchStream(data, sampler(), num_workers=workers, pin_memory=False))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_empty_share_is_an_empty_batch(data: CamouflageDataset) -> None:
    lean = sampler(last_epoch=1, micro_batch=3, rank=0, world=2)
    *_, last = BatchStream(data, lean, num_workers=0, pin_memory=False)
    assert last.size == 0
    assert last.image.shape == (0, 3, 16, 16)
    assert last.mask.shape == (0, 1, 16, 16)
    assert last.image.dtype == last.mask.dtype == torch.uint8


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_breaks_during_training_is_named(tmp_path: Path, workers: int) -> None:
    pair = Pair(tmp_path / "gone.jpg", tmp_path / "gone.png", "gone", "set", "train")
    broken = CamouflageDataset([pair], 16, seed=0, augment=True)
    with (
        BatchStream(broken, sampler(1), num_workers=workers, pin_memory=False) as stream,
        pytest.raises(UnreadableImage, match=r"gone\.jpg"),
    ):
        list(stream)


class _Telling(CamouflageDataset):
    """Tells in its keys how a worker is set up, after a Ctrl-C that it gives itself."""

    def __getitem__(self, at: tuple[int, int]):  # type: ignore[no-untyped-def]  # noqa: ANN204
        os.kill(os.getpid(), signal.SIGINT)
        sample = super().__getitem__(at)
        return type(sample)(sample.image, sample.mask, str(torch.get_num_threads()))


def test_workers_survive_ctrl_c_and_use_one_thread(data: CamouflageDataset) -> None:
    telling = _Telling(data.pairs, 16, seed=0, augment=False)
    loader = BatchStream(telling, sampler(), num_workers=1, pin_memory=False)
    keys = {key for batch in loader for key in batch.keys}
    assert keys == {"1"}


_HELD = """
import sys
from decamo.data.dataset import CamouflageDataset
from decamo.data.dataset import EpochSampler
from decamo.data.stream import BatchStream
from decamo.data.pairs import Pair
from pathlib import Path

image, mask = Path(sys.argv[1]), Path(sys.argv[2])
data = CamouflageDataset([Pair(image, mask, "a", "set", "train")] * 4, 16, seed=0, augment=False)
order = EpochSampler(4, seed=0, first_epoch=1, last_epoch=2, micro_batch=1)
held = BatchStream(data, order, num_workers=1, pin_memory=False)
next(held)
sys.modules["held"] = held  # nothing lets go of it before the interpreter is gone
print("over")
"""


@pytest.mark.long
def test_a_process_ends_though_its_loader_is_still_held(data: CamouflageDataset) -> None:
    pair = data.pairs[0]
    done = subprocess.run(
        [sys.executable, "-c", _HELD, str(pair.image), str(pair.mask)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "over\n")


# ---------------------------------------------------------------- whatever becomes of processes


Batches = list[Batch]


def read(stream: BatchStream, deed: Callable[[BatchStream, int], None] | None = None) -> Batches:
    """All batches; ``deed`` is done before each."""
    got: Batches = []
    with stream:
        while True:
            if deed is not None:
                deed(stream, len(got))
            try:
                got.append(next(stream))
            except StopIteration:
                return got


def assert_same(a: Batches, b: Batches) -> None:
    assert [batch.keys for batch in a] == [batch.keys for batch in b]
    for one, other in zip(a, b, strict=True):
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.mask, other.mask)


def readers() -> list[int]:
    return [p.pid for p in multiprocessing.active_children() if p.pid is not None]


def signalled(number: signal.Signals, moments: set[int], count: int) -> Callable[..., None]:
    def deed(_: BatchStream, batch: int) -> None:
        if batch in moments:
            for pid in readers()[:count]:
                os.kill(pid, number)

    return deed


@pytest.fixture
def usual(data: CamouflageDataset) -> Batches:
    return read(BatchStream(data, sampler(last_epoch=6), num_workers=0, pin_memory=False))


@pytest.mark.parametrize(
    ("moments", "count"),
    [
        ({0}, 9),
        (set(range(18)), 1),
        ({17}, 1),
        *(
            pytest.param(*which, marks=pytest.mark.long)
            for which in [
                ({0}, 1),
                ({5}, 1),
                ({5}, 9),
                ({3, 9}, 1),
                ({2, 4, 6, 8, 10, 12}, 9),
                (set(range(18)), 9),
            ]
        ),
    ],
    ids=str,
)
def test_batches_are_the_same_whoever_is_killed(
    data: CamouflageDataset, usual: Batches, moments: set[int], count: int
) -> None:
    stream = BatchStream(data, sampler(last_epoch=6), num_workers=3, pin_memory=False)

    def deed(stream: BatchStream, batch: int) -> None:
        signalled(signal.SIGKILL, moments, count)(stream, batch)
        time.sleep(0.02)  # what was read before lies ready, whoever reads the next

    assert_same(read(stream, deed), usual)
    notes = stream.patience.take_notes()
    # What is killed before its first batch is given out, or after its last, may go unnoticed.
    assert (moments not in ({0}, {17})) <= len(notes) <= 3 * len(moments)
    assert all("was killed (SIGKILL" in line for line in notes)
    assert readers() == []


def test_a_process_that_was_stopped_is_seen_and_another_reads(
    data: CamouflageDataset, usual: Batches
) -> None:
    patience = Patience(clock=_Hasty())
    stream = BatchStream(
        data, sampler(last_epoch=6), num_workers=2, pin_memory=False, patience=patience
    )
    assert_same(read(stream, signalled(signal.SIGSTOP, {4}, 1)), usual)
    notes = "; ".join(patience.notes)
    assert "its process was stopped (SIGSTOP); waiting up to" in notes
    assert ", and another process tries" in notes
    assert readers() == []


class _Hasty:
    """A clock that goes thirty times as fast, and no further from one call to the next than 3 s.

    So a busy machine, which asks it seldom, neither finds reads slow nor jumps over a notice.
    """

    def __init__(self) -> None:
        self._asked, self._now = time.monotonic(), 0.0

    def __call__(self) -> float:
        asked = time.monotonic()
        self._now += min(30 * (asked - self._asked), 3.0)
        self._asked = asked
        return self._now


@pytest.mark.parametrize("way", ["memory", "file", "sockets", "too little memory",
    pytest.param("spawned", marks=pytest.mark.long)])  # fmt: skip
def test_batches_are_the_same_however_they_travel(
    data: CamouflageDataset,
    usual: Batches,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    if way == "file":
        monkeypatch.delattr(os, "memfd_create", raising=False)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if way == "sockets":
        monkeypatch.setattr(Arena, "make", lambda *_: None)
    if way == "too little memory":
        monkeypatch.setattr("decamo.data.arena.free_memory", lambda: 5000)
    stream = BatchStream(
        data,
        sampler(last_epoch=6),
        num_workers=2,
        pin_memory=False,
        method="spawn" if way == "spawned" else None,
    )
    assert_same(read(stream), usual)
    assert [line.endswith("none of them read") for line in stream.patience.notes] == (
        [True] if way == "too little memory" else []
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_file_that_is_never_read_to_its_end_is_named(
    data: CamouflageDataset, tmp_path: Path, workers: int
) -> None:
    fifo = tmp_path / "stalled.png"
    os.mkfifo(fifo)
    pairs = list(data.pairs)
    pairs[permutation(1, 1, 7)[4]] = replace(pairs[0], image=fifo, stem="stalled")
    stuck = CamouflageDataset(pairs, 16, seed=3, augment=True)
    patience = Patience(90.0, _Hasty())
    stream = BatchStream(stuck, sampler(), num_workers=workers, pin_memory=False, patience=patience)
    with stream:
        assert next(stream).size == 3
        with pytest.raises(DataStalled, match=r"stalled\.png"):
            next(stream)
    # a busy machine lets another image wait for seconds as well, which are minutes to this clock
    (line,) = [note for note in patience.take_notes() if "stalled.png" in note]
    assert ("another process tries" in line) == (workers > 0)
    with os.fdopen(os.open(fifo, os.O_RDWR | os.O_NONBLOCK), "wb"):
        time.sleep(0.05)  # a thread that waits for it is let go
    assert readers() == []


def test_a_reason_to_stop_is_heard_while_a_batch_is_awaited(
    data: CamouflageDataset, tmp_path: Path
) -> None:
    fifo = tmp_path / "stalled.png"
    os.mkfifo(fifo)
    stuck = CamouflageDataset([replace(data.pairs[0], image=fifo)], 16, seed=3, augment=True)
    with (
        BatchStream(stuck, sampler(1), num_workers=1, pin_memory=False) as stream,
        pytest.raises(StopAsked, match="on SIGTERM"),
    ):
        stream.take(1, lambda: "on SIGTERM")


class _Deadly(CamouflageDataset):
    """An image that every process dies of."""

    def __getitem__(self, at: tuple[int, int]) -> Sample:
        if at[1] == 5:
            faulthandler.disable()  # pytest's would print its tracebacks here
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().__getitem__(at)


def test_an_image_that_process_after_process_dies_of_is_named_and_not_read_here(
    data: CamouflageDataset,
) -> None:
    deadly = _Deadly(data.pairs, 16, seed=3, augment=True)
    got = 0
    with BatchStream(deadly, sampler(), num_workers=2, pin_memory=False) as stream:
        # what comes before it is handed over, however early the processes died of it
        turn = [5 in permutation(1, 1, 7)[at : at + 3] for at in (0, 3, 6)].index(True)
        for _ in range(turn):
            got += next(stream).size
            time.sleep(0.3)
        with pytest.raises(UnreadableImage, match=r"5\.png: 2 processes in turn died of SIGSEGV"):
            next(stream)
    assert got == 3 * turn


def test_its_processes_end_with_the_last_batch(data: CamouflageDataset) -> None:
    stream = BatchStream(data, sampler(), num_workers=2, pin_memory=False)
    assert len(list(stream)) == 6
    assert readers() == []
    with pytest.raises(StopIteration):
        next(stream)


_SMALL = """
import hashlib, subprocess, sys
from pathlib import Path
from decamo.data.dataset import CamouflageDataset
from decamo.data.dataset import EpochSampler
from decamo.data.pairs import Pair
from decamo.data.stream import BatchStream
from decamo.data.arena import reading_line

image, mask = Path(sys.argv[1]), Path(sys.argv[2])
data = CamouflageDataset([Pair(image, mask, "a", "set", "train")] * 40, 384, seed=0, augment=True)

def digest(workers):
    order = EpochSampler(40, seed=0, first_epoch=1, last_epoch=1, micro_batch=8)
    with BatchStream(data, order, num_workers=workers, pin_memory=False) as stream:
        parts = [part.numpy().tobytes() for b in stream for part in (b.image, b.mask)]
    return hashlib.sha256(b"".join(parts)).hexdigest()

want = digest(0)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", "/dev/shm"], check=True)
for change in ("size=64M", "size=16M", "size=2M", "ro", None):
    if change is None:
        subprocess.run(["umount", "-l", "/dev/shm"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/dev"], check=True)  # no /dev/shm in it
    else:
        subprocess.run(["mount", "-o", f"remount,{change}", "/dev/shm"], check=True)
    print(digest(3) == want, reading_line(3, 8, 384))
"""


@pytest.mark.long
def test_batches_are_the_same_in_64_16_2_and_no_mb_of_dev_shm(data: CamouflageDataset) -> None:
    """A batch takes 4.7 MB, the six that three readers may hold 28 MB."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no private mounts without root")
    pair = data.pairs[0]
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", _SMALL, str(pair.image), str(pair.mask)],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 5, done.stderr
    start = "True 3 processes read: batches take 28 MB in memory without a name, nothing in"
    assert all(line.startswith(start) for line in lines)
    ends = ["67 MB free", "17 MB free", "2 MB free", "which cannot be written", "is not there"]
    assert [line.endswith(end) for line, end in zip(lines, ends, strict=True)] == [True] * 5
