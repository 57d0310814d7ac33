"""What each network costs: size, operations, time in turns with the others, memory."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.quality_recipes import Entry
from benchmarks.quality_terms import Terms
from decamo.errors import SettingsError
from decamo.nn import SegmentationNetwork
from decamo.nn.cost import measure_cost
from decamo.settings.loss_weights import loss_weights_of
from decamo.storage import write_whole
from decamo.training.dry_run import Probe
from decamo.training.runtime import Runtime
from decamo.training.step import Teacher

__all__ = ["NetworkCost", "epochs_in_time", "known_costs", "measure_costs"]


@dataclass(frozen=True)
class NetworkCost:
    """Price of a network.

    Attributes:
        parameters: number of learnable scalars.
        flops: of a forward pass on one image in evaluation mode; a multiply-add counts as two.
        seconds: of a forward and backward pass, loss included, for each image of a batch.
        ratio: of that time to the reference's, the median of the rounds' own ratios.
        memory_bytes: what the forward pass of a common batch keeps for the backward pass.
    """

    parameters: int
    flops: int
    seconds: float
    ratio: float
    memory_bytes: int


def measure_costs(
    entries: Sequence[Entry], reference: Entry, terms: Terms, runtime: Runtime, rounds: int
) -> dict[str, NetworkCost]:
    """Measure networks in turns.

    Each round times a batch of every one, so that what else a machine does falls on all alike; an
    untimed pass goes before, or each would pay for the memory that the one before it has left. A
    batch is as large as the recipe has it; memory is that of the common batch, so that it compares.

    Args:
        entries: to be measured.
        reference: what times are compared with; measured too where it is not among them.
        terms: image size, batch and backbone.
        runtime: device and number format.
        rounds: of which medians are taken, after one that warms up.

    Returns:
        name -> cost, the reference's too.
    """
    every = {entry.name: entry for entry in (reference, *entries)}
    probes = {name: _probe(entry, terms, runtime) for name, entry in every.items()}
    shapes = {n: (_batch(entry, terms), terms.size_of(entry)) for n, entry in every.items()}
    spent: dict[str, list[float]] = {name: [] for name in probes}
    for _ in range(rounds + 1):
        for name, probe in probes.items():
            seconds = statistics.fmean(
                _settled_seconds(probe, shapes[name], scale) for scale in every[name].scales
            )
            spent[name].append(seconds / shapes[name][0])
    costs = {}
    for name, probe in probes.items():
        pairs = zip(spent[name][1:], spent[reference.name][1:], strict=True)
        size = terms.size_of(every[name])
        cost = measure_cost(probe.model, size)
        costs[name] = NetworkCost(
            cost.parameters,
            cost.flops,
            statistics.median(spent[name][1:]),
            statistics.median(own / other for own, other in pairs),
            probe.kept_bytes(terms.batch_size, size, max(every[name].scales)),
        )
    return costs


def known_costs(
    path: Path,
    entries: Sequence[Entry],
    reference: Entry,
    terms: Terms,
    measure: Callable[[Sequence[Entry]], dict[str, NetworkCost]],
) -> dict[str, NetworkCost]:
    """Costs from a file; those that it lacks are measured, beside the reference, and added.

    So that a comparison that goes on gives everyone the epochs that it had. The time of what is
    added later is its ratio to the reference, times the time that the reference had first.

    Raises:
        SettingsError: the file is of another reference, image size, batch, backbone, device or
            number of threads, or broken.
        StorageError: it cannot be written.
    """
    asked = {
        "reference": reference.name,
        "img_size": terms.img_size,
        "batch_size": terms.batch_size,
        "backbone": terms.backbone,
        "device": terms.device,
        "threads": torch.get_num_threads(),
    }
    held: dict[str, Any] = _read(path) if path.exists() else {"of": asked, "costs": {}}
    if held["of"] != asked:
        raise SettingsError(path, f"measured for {held['of']}", "name another folder by --work")
    costs: dict[str, NetworkCost] = held["costs"]
    missing = [e for e in (reference, *entries) if e.name not in costs]
    if missing:
        found = measure(missing)
        first = costs.get(reference.name, found[reference.name])
        for entry in missing:
            new = found[entry.name]
            costs[entry.name] = replace(new, seconds=new.ratio * first.seconds)
        plain = {"of": asked, "costs": {name: asdict(cost) for name, cost in costs.items()}}
        write_whole(path, (json.dumps(plain, indent=2) + "\n").encode())
    return costs


def epochs_in_time(cost: NetworkCost, epochs: int) -> int:
    """Whole epochs that fit into the time of ``epochs`` of the reference; at least 1."""
    return max(int(epochs / cost.ratio + 1e-9), 1)


def _read(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text())
        costs = {name: NetworkCost(**cost) for name, cost in held["costs"].items()}
        return {"of": held["of"], "costs": costs}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(path, f"cannot be read ({error})", "remove it") from error


def _settled_seconds(probe: Probe, shape: tuple[int, int], scale: float) -> float:
    """Time of a pass after one like it."""
    probe.seconds(*shape, scale)
    return probe.seconds(*shape, scale)


def _batch(entry: Entry, terms: Terms) -> int:
    """Images in a step of the network's own recipe."""
    return terms.settings(entry, 0, terms.epochs, Path()).schedule.batch_size


def _probe(entry: Entry, terms: Terms, runtime: Runtime) -> Probe:
    settings = terms.settings(entry, 0, terms.epochs, Path())
    model = _untrained(entry, terms, runtime).train()
    model.set_learning(model.groups())
    side_outputs = settings.optimise.deep_supervision
    teacher = None
    if entry.teacher is not None:
        taught = _untrained(entry.teacher, terms, runtime).eval()
        teacher = Teacher(taught, terms.size_of(entry.teacher))
    weights = loss_weights_of(settings.optimise.loss_weights)
    return Probe(model, side_outputs, runtime, weights, teacher)


def _untrained(entry: Entry, terms: Terms, runtime: Runtime) -> SegmentationNetwork:
    settings = terms.settings(entry, 0, terms.epochs, Path())
    model = entry.build(settings.model, sizes=[terms.size_of(entry)], initialize=False, seed=0)
    return model.to(runtime.device)
