"""Which of timm's networks train as a backbone, tried one by one at the sizes of real runs."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

import timm
import torch
import torch.nn.functional as F

from decamo.errors import DecamoError
from decamo.flags import Parser, write_json
from decamo.history import Journal, read_journal
from decamo.nn import Segmenter, create_backbone
from decamo.nn.cost import FACTS_FILE, FACTS_SIZES, facts_of, shipped_facts
from decamo.storage import write_whole

__all__ = ["NAMES_FILE", "Trial", "add_arguments", "run", "try_backbone"]

NAMES_FILE = Path(__file__).parent / "backbones.txt"


@dataclass(frozen=True)
class Trial:
    """What came of one network at one size.

    Attributes:
        name: timm's name.
        size: of the images, in px.
        reason: why it does not work; empty where it does.
        seconds: that it took, building included.
        timm: version.
    """

    name: str
    size: int
    reason: str
    seconds: float
    timm: str = timm.__version__


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks backbones``."""
    parser.add_argument(
        "--only", default="*", metavar="PATTERN", help="try the names of this pattern alone"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("backbones.jsonl"), metavar="FILE",
        help="where each result is appended; what it has already is not tried again",
    )  # fmt: skip
    parser.add_argument(
        "--limit", type=float, metavar="SECONDS", help="begin no other network after so long"
    )
    parser.add_argument(
        "--write", action="store_true",
        help="write what is known of the tried names into the package, for `decamo models`, beside "
        "what it knows of others with this timm",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here as well")


def run(args: argparse.Namespace) -> int:
    """Try what was not tried and print; returns the exit code."""
    names = [name for name in NAMES_FILE.read_text().split() if fnmatch(name, args.only)]
    trials = _past(args.results)
    begun = time.monotonic()
    with Journal(args.results) as results:
        for name in names:
            if all((name, size) in trials for size in FACTS_SIZES):
                continue
            if args.limit is not None and time.monotonic() - begun > args.limit:
                break
            for trial in try_backbone(name):
                trials[trial.name, trial.size] = trial
                results.write("trial", asdict(trial))
                told = trial.reason or "works"
                print(f"{trial.name} {trial.size} px: {told} ({trial.seconds} s)")
    listed = set(names)
    mine = [trial for trial in trials.values() if trial.name in listed]
    _print_summary(names, mine)
    if args.write:
        _write_facts(mine)
    write_json(args.json, {"trials": [asdict(trial) for trial in mine]})
    return 0


def try_backbone(name: str, sizes: Sequence[int] = FACTS_SIZES) -> list[Trial]:
    """Build, run, and train one step with a random network at each size.

    A network whose weights do not depend on the size is built once.
    """
    found: list[Trial] = []
    model: Segmenter | None = None
    for size in sizes:
        start, reason = time.monotonic(), ""
        try:
            if model is None or "img_size" in model.architecture:
                model = _narrow(name, size)
            _train_one_step(model, size)
        except (DecamoError, AssertionError) as error:
            reason = str(error)
        except Exception as error:  # of a third-party network; the sweep goes on
            reason = f"{type(error).__name__}: {error}"
        reason = " ".join(reason.split())[:240]
        found.append(Trial(name, size, reason, round(time.monotonic() - start, 1)))
    return found


def _narrow(name: str, size: int) -> Segmenter:
    """Few channels behind the backbone: what is tried here is the backbone."""
    backbone = create_backbone(name, pretrained=False, size=size)
    return Segmenter(backbone, num_experts=1, width=8, mean=backbone.mean, std=backbone.std)


def _train_one_step(model: Segmenter, size: int) -> None:
    """One step of plain gradient descent; says what is wrong by an AssertionError."""
    groups = model.groups()
    grouped = sorted(name for group in groups.values() for name in group)
    if grouped != sorted(name for name, _ in model.named_parameters()):
        raise AssertionError("groups do not hold every parameter once")
    model.set_learning(list(groups))
    parameters = [p for group in groups.values() for p in group.values()]
    optimizer = torch.optim.SGD(parameters, lr=1e-3)
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    logits = model(image).logits
    if logits.shape != (1, 1, size, size):
        raise AssertionError(f"logits have the shape {tuple(logits.shape)}")
    loss = F.binary_cross_entropy_with_logits(logits, (image[:, :1] > 0).float())
    loss.backward()
    for name, group in groups.items():
        if not group:  # a level that is the pooling of the one before it (VGG)
            continue
        moved = sum(float(p.grad.abs().sum()) for p in group.values() if p.grad is not None)
        if not 0 < moved < float("inf"):
            raise AssertionError(f"the gradient of {name} is {moved}")
    optimizer.step()
    optimizer.zero_grad()


def _past(path: Path) -> dict[tuple[str, int], Trial]:
    if not path.is_file():
        return {}
    plain = [{k: v for k, v in line.items() if k != "kind"} for line in read_journal(path)]
    trials = [Trial(**line) for line in plain]
    return {(trial.name, trial.size): trial for trial in trials if trial.timm == timm.__version__}


def _print_summary(names: Sequence[str], trials: Sequence[Trial]) -> None:
    tried = {trial.name for trial in trials}
    failed = {trial.name: trial.reason for trial in trials if trial.reason}
    print(f"\n{len(tried)} of {len(names)} names tried with timm {timm.__version__}")
    print(f"{len(tried) - len(failed)} work at {' and '.join(map(str, FACTS_SIZES))} px")
    for reason, count in Counter(failed.values()).most_common():
        example = next(name for name, why in failed.items() if why == reason)
        print(f"  {count} x {example}: {reason}")


def _write_facts(trials: Sequence[Trial]) -> None:
    tried = {trial.name for trial in trials}
    failed = {trial.name for trial in trials if trial.reason}
    facts = {name: held for name, held in shipped_facts().items() if name not in tried}
    for name in sorted(tried - failed):
        try:
            facts[name] = facts_of(name)
        except Exception as error:  # of a network that cannot be made without values
            print(f"{name} works, but its cost is not known: {' '.join(str(error).split())[:160]}")
    rows = [asdict(facts[name]) for name in sorted(facts)]
    content = {"timm": timm.__version__, "sizes": list(FACTS_SIZES), "backbones": rows}
    write_whole(FACTS_FILE, f"{json.dumps(content, indent=1)}\n".encode())
    print(f"wrote what is known of {len(facts)} names: {FACTS_FILE.name}")
