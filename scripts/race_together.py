"""Race branches with one process, with two, and with two of which one is killed; compare.

    python scripts/race_together.py

Each time the same checkpoint of a small run on procedural scenes is raced by the same command, with
one thread a process. The scores of all images after all epochs of all branches must be equal to the
bit, and no step of a trial may be trained twice, but for those a kill took back. Two processes need
two idle cores to show what they gain. Exit code 1 if anything differs.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from decamo.data.scenes import write_scenes

BRANCHES = ("rate-x10", "rate-x3", "anneal", "moments", "larger", "deep-supervision")
ENV = os.environ | {"OMP_NUM_THREADS": "1"}


def main(argv: Sequence[str] | None = None) -> int:
    """Hold the three races; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trial-epochs", type=int, default=4)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0, help="when the kill comes")
    args = parser.parse_args(argv)
    root = Path(tempfile.mkdtemp(prefix="race-"))
    try:
        prepare(root, args.images)
        return compare(root, args.trial_epochs, random.Random(args.seed))
    finally:
        shutil.rmtree(root, ignore_errors=True)


def prepare(root: Path, images: int) -> None:
    """Scenes, and a run of three epochs whose checkpoint is raced."""
    write_scenes(
        root / "scenes",
        train=images,
        test=1,
        size=64,
        noncam_share=0.0,
        seed=0,
        on_progress=lambda done, of: None,
    )
    run = [
        *("train", "--dataset-path", str(root / "scenes"), "--checkpoint-dir", str(root / "run")),
        *("--backbone", "mobilenetv2_035", "--no-pretrained", "--num-experts", "3"),
        *("--img-size", "64", "--batch-size", "4", "--accumulation-steps", "1", "--epochs", "3"),
        *("--stage1-epochs", "1", "--warmup-epochs", "0", "--lr", "0.001", "--stage2-lr", "0.0001"),
        *("--scheduler", "none", "--val-fraction", "0.3", "--num-workers", "0", "--device", "cpu"),
    ]
    subprocess.run(_command(*run), check=True, stdout=subprocess.DEVNULL, env=ENV)


def compare(root: Path, epochs: int, rng: random.Random) -> int:
    """Race with one process, two, and two less one."""
    alone, first = race(root / "one", root, epochs, workers=1)
    print(f"one process: {first:.0f} s", flush=True)
    together, second = race(root / "two", root, epochs, workers=2)
    print(f"two processes: {second:.0f} s, {first / second:.2f} times as fast", flush=True)
    after = rng.uniform(0.3, 0.7) * second
    survived, third = race(root / "killed", root, epochs, workers=2, kill_after=after)
    print(f"two, one killed after {after:.0f} s: {third:.0f} s", flush=True)
    bad = 0
    for name, found in (("two processes", together), ("one of two killed", survived)):
        same = found == alone
        print(f"{name}: scores {'equal to the bit' if same else 'DIFFER'}")
        bad += not same
    for name in ("one", "two", "killed"):
        again = repeated(root / name / "escape")
        print(f"{name}: {again} steps trained twice")
        bad += again > 0 and name != "killed"
    return 1 if bad else 0


def race(
    folder: Path, root: Path, epochs: int, *, workers: int, kill_after: float = 0.0
) -> tuple[dict[str, Any], float]:
    """Hold a race; returns the scores of each branch, and the seconds until all have ended."""
    command = _command(
        *("escape", str(root / "run" / "last.pth"), "--checkpoint-dir", str(folder)),
        *("--trial-epochs", str(epochs), "--keep-all", "--only", *BRANCHES),
    )
    began = time.monotonic()
    running = []
    for _ in range(workers):
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ENV))
        time.sleep(1)  # the first makes the folder
    if kill_after:
        time.sleep(max(kill_after - workers, 0))
        running.pop().kill()
    for process in running:
        if process.wait() != 0:
            raise SystemExit(f"a worker ended with {process.returncode}")
    return scores(folder / "escape"), time.monotonic() - began


def scores(folder: Path) -> dict[str, Any]:
    """IoU of each validation image after each epoch of each branch."""
    found = {}
    for name in ("control", "twin", *BRANCHES):
        plain = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        found[name] = {n: rung["ious"] for n, rung in plain["rungs"].items()}
    return found


def repeated(folder: Path) -> int:
    """Steps that occur more than once in a trial's journal."""
    again = 0
    for journal in folder.glob("*/journal.jsonl"):
        lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        counts = Counter(line["step"] for line in lines if line.get("kind") == "step")
        again += sum(count - 1 for count in counts.values())
    return again


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "decamo.cli", *arguments]


if __name__ == "__main__":
    sys.exit(main())
