"""Kill a real training run again and again, and see that nothing is lost.

    python scripts/soak.py --kills 50

A small run trains on procedural scenes; its process is killed (SIGKILL) at random moments, and
the same command with ``--resume auto`` starts it anew. At the end its weights, average, moments,
lineage and history must be those of a run that was never killed, bit for bit. Exit code 1 if
they are not, or if any start failed.
"""

import argparse
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
        return soak(root, args.kills, args.epochs, random.Random(args.seed))
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
    differing = [
        found
        for name in ("last.pth", "best_model.pth", f"epoch-{epochs + 5:04d}.pth")
        for found in differences(end_of(peace / name), end_of(fire / name), name)
    ]
    for where in differing[:10]:
        print(f"differs: {where}")
    verdict = "bit-equal" if not differing else "NOT equal"
    print(f"{kills} kills, {len(failed)} starts that failed; the end is {verdict}")
    return 1 if failed or differing else 0


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
