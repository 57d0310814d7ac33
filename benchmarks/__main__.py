"""``python -m benchmarks NAME [flags]``: one measurement a module, named below."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from decamo.cli import Program
from decamo.storage.outputs import Read, Written, check_outputs

__all__ = ["BENCHMARKS", "main"]

BENCHMARKS = {
    "network": "parameters and FLOPs of a forward pass beside the bare backbone",
    "metrics": "time of all measures of an image beside pysodmetrics",
    "workers": "time of scoring a folder of maps with one process and with several",
    "loader": "images a second that one core reads for training, beside other pipelines",
    "speed": "network, loader and metrics: every ratio of speed in one run, with its goal",
    "profile": "where the time of a training step goes, part by part",
    "backbones": "which of timm's networks train as a backbone at 384 and 416 px, tried one by one",
    "rates": "images a second that train, by batch and size, beside the bare backbone; for a GPU",
    "gradients": "a step of several processes beside torch's DDP: time, memory, weights",
    "diagnosis": "the diagnosis held against made-up runs whose true state is known",
    "forecast": "the forecast held against recorded runs, each left out in turn",
    "quality": "networks of others and our own, trained alike on photographs and scored",
    "ablation": "what each part of our network and its recipe is worth, left out or changed alone",
    "unlabelled": "what pseudo-labels bring, beside no photographs and beside their true masks",
    "data-faults": "what wrong masks, copies and leaks cost, and what cleaning them brings",
    "raced": "time of a race on Ray beside plain processes that share nothing",
    "memory": "the peak of memory of audit, evaluate and predict, by the number of images",
    "house": "how the source stands: files, lengths, doubled names, what --help imports",
    "claims": "what the action plan expects and what decamo recommends, held against measurement",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return _BENCHMARKS.main(sys.argv[1:] if argv is None else argv)


def _check_outputs(parsed: argparse.Namespace) -> None:
    """``--json`` against every file and folder that the other flags name."""
    named = {f"--{name.replace('_', '-')}": value for name, value in vars(parsed).items()}
    reads = [
        Read(flag, path)
        for flag, value in named.items()
        for path in (value if isinstance(value, list | tuple) else [value])
        if isinstance(path, Path) and flag not in ("--json", "--out")
    ]
    writes = [Written("--json", parsed.json)] if named.get("--json") else []
    if isinstance(named.get("--work"), Path):
        writes.append(Written("--work", parsed.work, folder=True))
    check_outputs(reads, writes)


_BENCHMARKS = Program(
    name="python -m benchmarks",
    package="benchmarks",
    about="Measure what decamo claims of speed, cost and quality.",
    commands=BENCHMARKS,
    long=dict.fromkeys(BENCHMARKS, "the measurement goes on"),
    check=_check_outputs,
)


if __name__ == "__main__":
    sys.exit(main())
