import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from benchmarks.quality_costs import (
    NetworkCost,
    epochs_in_time,
    known_costs,
    measure_costs,
)
from benchmarks.quality_recipes import OWN, Entry, entry_of
from benchmarks.quality_terms import Terms
from decamo.errors import SettingsError
from decamo.training.runtime import Runtime

CPU = Runtime(torch.device("cpu"))
FPN = entry_of("FPN")


def cost(seconds: float, ratio: float) -> NetworkCost:
    return NetworkCost(1, 2, seconds, ratio, 3)


@pytest.mark.long
def test_what_is_measured(terms: Terms) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    entries = [entry_of(name) for name in ("decamo-7", "decamo-1")]
    costs = measure_costs(entries, FPN, terms, CPU, rounds=2)
    assert list(costs) == ["FPN", "decamo-7", "decamo-1"]
    assert costs["FPN"].ratio == 1.0
    assert all(c.seconds > 0 for c in costs.values())
    seven, one = costs["decamo-7"], costs["decamo-1"]
    assert seven.parameters > one.parameters
    assert seven.flops > one.flops
    assert seven.memory_bytes > one.memory_bytes
    again = measure_costs(entries[1:], FPN, terms, CPU, rounds=1)["decamo-1"]
    assert again.memory_bytes == one.memory_bytes  # counted, not sampled


@pytest.mark.long
def test_the_boundarys_memory_is_paid_by_the_own_recipe_alone(terms: Terms) -> None:
    pair = [entry_of("decamo-7"), entry_of("decamo-own")]
    common, own = measure_costs(pair, pair[0], terms, CPU, rounds=1).values()
    assert own.memory_bytes > common.memory_bytes
    assert own.parameters == common.parameters


def test_a_network_is_timed_with_its_own_recipes_batch_and_scales(
    terms: Terms, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    scales: list[float] = []

    def seconds(_: object, batch: int, __: int, scale: float) -> float:
        batches.append(batch)
        scales.append(scale)
        return float(batch)

    monkeypatch.setattr("decamo.training.dry_run.Probe.seconds", seconds)
    costs = measure_costs([entry_of("decamo-own")], entry_of("decamo-7"), terms, CPU, rounds=1)
    own = OWN.settings["schedule"]["batch_size"]
    asked = OWN.settings["optimise"]["multi_scale"]
    # each after one like it
    assert batches == [*[terms.batch_size] * 2, *[own] * 2 * len(asked)] * 2
    assert scales == [1.0, 1.0, *(scale for scale in asked for _ in range(2))] * 2
    assert [cost.seconds for cost in costs.values()] == [1.0, 1.0]  # an image


def test_times_are_ratios_of_the_same_round(terms: Terms, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slows down between rounds does not move a ratio; nor does what went before."""
    timed = [1.0, 2.0, 10.0, 20.0, 3.0, 6.0, 7.0, 14.0]
    slow = iter([one for seconds in timed for one in (99.0, seconds)])
    monkeypatch.setattr("decamo.training.dry_run.Probe.seconds", lambda *_: next(slow))
    costs = measure_costs([entry_of("decamo-7")], entry_of("decamo-1"), terms, CPU, rounds=3)
    assert costs["decamo-7"].ratio == 2.0
    assert costs["decamo-1"].seconds == 7.0 / terms.batch_size  # the median, without the first


@pytest.mark.parametrize(("ratio", "epochs"), [(1.0, 10), (0.5, 20), (0.49, 20), (1.2, 8), (99, 1)])
def test_epochs_that_fit(ratio: float, epochs: int) -> None:
    assert epochs_in_time(cost(1.0, ratio), 10) == epochs


def test_costs_that_are_known_are_not_measured_again(terms: Terms, tmp_path: Path) -> None:
    path, asked = tmp_path / "costs.json", []

    def measure(entries: Sequence[Entry]) -> dict[str, NetworkCost]:
        asked.append([e.name for e in entries])
        slower = len(asked)  # the machine is busier each time
        return {"FPN": cost(slower, 1.0)} | {e.name: cost(2 * slower, 2.0) for e in entries[-1:]}

    first = known_costs(path, [entry_of("Unet")], FPN, terms, measure)
    assert first == {"FPN": cost(1.0, 1.0), "Unet": cost(2.0, 2.0)}
    again = known_costs(path, [entry_of("Unet")], FPN, terms, measure)
    assert again == first
    more = known_costs(path, [entry_of("Unet"), entry_of("decamo-1")], FPN, terms, measure)
    assert asked == [["FPN", "Unet"], ["decamo-1"]]
    assert more == first | {"decamo-1": cost(2.0, 2.0)}  # in the first reference's seconds
    assert json.loads(path.read_text())["costs"]["Unet"] == asdict(first["Unet"])


def test_costs_of_another_size_are_refused(terms: Terms, tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    known_costs(path, [], FPN, terms, lambda _: {"FPN": cost(1.0, 1.0)})
    with pytest.raises(SettingsError, match="name another folder"):
        known_costs(path, [], FPN, replace(terms, img_size=96), lambda _: {})


@pytest.mark.parametrize("content", ["", "[]", '{"of": {}, "costs": {"FPN": {"speed": 1}}}'])
def test_a_broken_file_is_named(terms: Terms, tmp_path: Path, content: str) -> None:
    path = tmp_path / "costs.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match="remove it"):
        known_costs(path, [], FPN, terms, lambda _: {})
