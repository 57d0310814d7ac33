"""Kill a real training run again and again, and see that nothing is lost.

    python scripts/soak.py --kills 50

A small run trains on procedural scenes; its process is killed (SIGKILL) at random moments, and
the same command with ``--resume auto`` starts it anew. At the end its weights, average, moments,
lineage and history must be those of a run that was never killed, bit for bit. Exit code 1 if
they are not, or if any start failed.

    python scripts/soak.py --torchrun 2 --kills 10

does the same with a run of two processes under one torchrun: one of them, drawn at random, is
killed again and again, and torchrun starts both anew, without ``--resume auto``.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from decamo.data.scenes import write_scenes
from decamo.storage.sealed import load_sealed

TIMES = ("train_seconds", "val_seconds", "seconds")  # what a clock says differs from run to run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--torchrun", type=int, default=0, metavar="N", help="processes of a run")
    args = parser.parse_args(argv)
    root = Path(tempfile.mkdtemp(prefix="soak-"))
    write_scenes(
        root / "scenes",
        train=15,
        test=1,
        size=64,
        noncam_share=0.1,
        seed=0,
        on_progress=lambda done, of: None,
    )
    try:
        rng = random.Random(args.seed)
        if args.torchrun:
            return soak_together(root, args.kills, args.epochs, args.torchrun, rng)
        return soak(root, args.kills, args.epochs, rng)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def soak(root: Path, kills: int, epochs: int, rng: random.Random) -> int:
    """Train once in peace and once under fire; compare."""
    peace, fire = root / "peace", root / "fire"
    finish(root, peace, epochs)
    failed = []
    for number in range(1, kills + 1):
        code = under_fire(root, fire, epochs, rng)
        position = load_sealed(fire / "last.pth")["position"] if _any(fire) else {"step": 0}
        print(f"kill {number} of {kills}: exit {code}, newest checkpoint {position}", flush=True)
        if code != -signal.SIGKILL:
            failed.append(number)
            if code == 0:
                print("the run ended before all kills were made: give more --epochs")
                break
    finish(root, fire, epochs)
    return verdict(peace, fire, epochs, kills, f"{len(failed)} starts that failed", bool(failed))


def verdict(peace: Path, fire: Path, epochs: int, kills: int, lost: str, failed: bool) -> int:
    """Compare the two ends, and say it; returns the exit code."""
    differing = [
        found
        for name in ("last.pth", "best_model.pth", f"epoch-{epochs + 5:04d}.pth")
        for found in differences(end_of(peace / name), end_of(fire / name), name)
    ]
    for where in differing[:10]:
        print(f"differs: {where}")
    equal = "bit-equal" if not differing else "NOT equal"
    print(f"{kills} kills, {lost}; the end is {equal}")
    return 1 if failed or differing else 0


def soak_together(root: Path, kills: int, epochs: int, processes: int, rng: random.Random) -> int:
    """The same with one command of several processes, of which one at a time is killed."""
    peace, fire = root / "peace", root / "fire"
    launch = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]

    def words(folder: Path, restarts: int) -> list[str]:
        own = [word for word in command(root, folder, epochs)[3:] if word not in ALONE]
        return [*launch, f"--max-restarts={restarts}", "-m", "decamo", *own]

    subprocess.run(words(peace, 0), check=True, stdout=subprocess.DEVNULL, env=ENV)
    log = (root / "log").open("w")
    run = subprocess.Popen(words(fire, kills), stdout=subprocess.DEVNULL, stderr=log, env=ENV)
    try:
        made = kill_ranks(run, fire / "journal.jsonl", kills, processes, rng)
        code = run.wait()
    finally:
        end_all(run)
        log.close()
    if code or made < kills:
        print((root / "log").read_text()[-3000:])
        print(f"torchrun ended with {code} after {made} kills of {kills}")
        return 1
    return verdict(peace, fire, epochs, made, "0 lost", failed=False)


ALONE = ("--resume", "auto")


def kill_ranks(
    run: subprocess.Popen[bytes], journal: Path, kills: int, processes: int, rng: random.Random
) -> int:
    """Kill one process of each group after some journal lines or some time; returns how many."""
    before: set[int] = set()
    for number in range(1, kills + 1):
        while len(now := ranks_of(run.pid)) < processes or before & {*now.values()}:
            if run.poll() is not None:
                return number - 1
            time.sleep(0.02)
        early = rng.random() < 0.3  # also before anything is saved
        lines, until = _lines(journal) + rng.randint(1, 16), time.monotonic() + rng.uniform(0, 12)
        while run.poll() is None and (
            time.monotonic() < until if early else _lines(journal) < lines
        ):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.25))
        rank = rng.randrange(processes)
        before |= set(now.values())
        if run.poll() is not None or rank not in ranks_of(run.pid):
            return number - 1
        os.kill(now[rank], signal.SIGKILL)
        print(f"kill {number} of {kills}: process {rank}, {_lines(journal)} lines", flush=True)
    return kills


def end_all(run: subprocess.Popen[Any]) -> None:
    """Kill what is left of a torchrun; its processes are in sessions of their own."""
    left = list(ranks_of(run.pid).values()) if run.poll() is None else []
    if run.poll() is None:
        run.kill()
        run.wait()
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def ranks_of(agent: int) -> dict[int, int]:
    """Rank -> process of those that torchrun has under way; Linux alone says so."""
    found: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
            if int(words[1]) == agent and words[0] != "Z":
                held = (stat.parent / "environ").read_bytes().split(b"\0")
                ranks = [int(word[5:]) for word in held if word.startswith(b"RANK=")]
                found |= {rank: int(stat.parent.name) for rank in ranks}
        except (OSError, ValueError, IndexError):  # gone meanwhile
            continue
    return found


def command(root: Path, folder: Path, epochs: int) -> list[str]:
    """The same command in every session."""
    return [
        *(sys.executable, "-m", "decamo.cli", "train", "--resume", "auto"),
        *("--dataset-path", str(root / "scenes"), "--checkpoint-dir", str(folder)),
        *("--backbone", "mobilenetv2_035", "--no-pretrained", "--num-experts", "3"),
        *("--img-size", "32", "--batch-size", "2", "--stage2-batch-size", "1"),
        *("--accumulation-steps", "3", "--epochs", str(epochs), "--stage1-epochs", "5"),
        *("--stage3-epochs", "5", "--stage3-img-size", "64", "--progressive-unfreeze"),
        *("--deep-supervision", "--use-ema", "--num-workers", "1", "--device", "cpu"),
        *("--keep-last", "2", "--val-fraction", "0.2"),
    ]


def finish(root: Path, folder: Path, epochs: int) -> None:
    """Let it run to its end."""
    subprocess.run(command(root, folder, epochs), check=True, stdout=subprocess.DEVNULL, env=ENV)


def under_fire(root: Path, folder: Path, epochs: int, rng: random.Random) -> int:
    """Start it, and kill it after a random number of journal lines and a random bit of time."""
    journal = folder / "journal.jsonl"
    lines = _lines(journal) + rng.randint(1, 16)
    run = subprocess.Popen(command(root, folder, epochs), stdout=subprocess.DEVNULL, env=ENV)
    while run.poll() is None and _lines(journal) < lines:
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.25))
    run.kill()
    return run.wait()


ENV = os.environ | {"OMP_NUM_THREADS": "1"}


def _any(folder: Path) -> bool:
    return (folder / "last.pth").exists()


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def end_of(path: Path) -> dict[str, Any]:
    """A checkpoint without what may differ: paths and clocks."""
    state = load_sealed(path)
    del state["settings"]["run"]
    state["sums"].pop("seconds")
    for record in state["history"]:
        for name in TIMES:
            record.pop(name, None)
    return state


def differences(a: Any, b: Any, at: str = "") -> list[str]:
    """Where two nested values differ in any bit."""
    if isinstance(a, torch.Tensor):
        return [] if torch.equal(a, b) else [at]
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return [f"{at}: {sorted(a.keys() ^ b.keys())}"]
        return [d for key in a for d in differences(a[key], b[key], f"{at}/{key}")]
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return [f"{at}: {len(a)} and {len(b)} items"]
        pairs = zip(a, b, strict=True)
        return [d for i, (x, y) in enumerate(pairs) for d in differences(x, y, f"{at}/{i}")]
    return [] if a == b or (a != a and b != b) else [f"{at}: {a!r} and {b!r}"]  # NaN equals NaN


if __name__ == "__main__":
    sys.exit(main())
