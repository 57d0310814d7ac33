from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from decamo.nn import build_segmenter
from decamo.training import expected_spending
from decamo.training.dry_run import Probe
from decamo.training.runtime import Runtime
from decamo.training.step import Teacher
from decamo.training.trainer import Trainer
from tests.training.test_expected_cost import SETTINGS, resumption


def test_measured_on_this_machine() -> None:
    settings = replace(SETTINGS, run=replace(SETTINGS.run, device="cpu"))
    frozen, tuned = expected_spending(settings, resumption(0), None, measure=True)
    assert frozen.seconds_per_epoch is not None
    assert frozen.seconds_per_epoch > 0
    assert frozen.memory_bytes is not None
    assert tuned.memory_bytes is not None
    # stage 2 keeps the backbone's graph, its gradients and moments on top
    assert tuned.memory_bytes > frozen.memory_bytes


def test_what_the_backward_pass_keeps_grows_with_the_batch() -> None:
    model = build_segmenter(SETTINGS.model, sizes=[64], seed=0)
    probe = Probe(model, side_outputs=False, runtime=Runtime(torch.device("cpu")))
    one, two = probe.kept_bytes(1, 64), probe.kept_bytes(2, 64)
    assert 1.6 * one < two < 2.1 * one


def test_the_largest_scale_is_what_memory_must_hold() -> None:
    def memory(*scales: float) -> int:
        optimise = replace(SETTINGS.optimise, multi_scale=scales)
        settings = replace(SETTINGS, run=replace(SETTINGS.run, device="cpu"), optimise=optimise)
        found = expected_spending(settings, resumption(0), None, measure=True)[-1].memory_bytes
        assert found is not None
        return found

    small, both, large = memory(1.0), memory(1.0, 2.0), memory(2.0)
    assert small < both == large


def test_a_term_that_weighs_nothing_keeps_nothing() -> None:
    model = build_segmenter(SETTINGS.model, sizes=[64], seed=0)
    cpu = Runtime(torch.device("cpu"))
    usual, without = (Probe(model, False, cpu, w) for w in (None, {"boundary": 0.0}))
    assert without.kept_bytes(1, 64) < usual.kept_bytes(1, 64)


def test_a_teacher_takes_time_and_keeps_hardly_anything() -> None:
    model, cpu = build_segmenter(SETTINGS.model, sizes=[64], seed=0), Runtime(torch.device("cpu"))
    model.train()
    teacher = Teacher(build_segmenter(SETTINGS.model, sizes=[64], seed=1).eval(), 64)
    seen: list[object] = []
    teacher.model.register_forward_hook(lambda *_: seen.append(1))
    alone, taught = Probe(model, False, cpu), Probe(model, False, cpu, teacher=teacher)
    assert taught.kept_bytes(1, 64) < 1.05 * alone.kept_bytes(1, 64)
    assert len(seen) == 1


def test_passes_are_computed_as_training_computes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[bool] = []

    @contextmanager
    def products(network: object, device: object) -> Iterator[None]:
        inside.append(True)
        yield
        inside.pop()

    laid: list[torch.Size] = []

    def lay(_network: object, image: torch.Tensor) -> torch.Tensor:
        laid.append(image.shape)
        return image

    monkeypatch.setattr("decamo.training.dry_run.by_onednn", products)
    monkeypatch.setattr("decamo.training.dry_run.laid_for_onednn", lay)
    model, seen = build_segmenter(SETTINGS.model, sizes=[64], seed=0), []
    model.register_forward_hook(lambda *_: seen.append(bool(inside)))
    next(model.parameters()).register_hook(lambda _: seen.append(bool(inside)))
    probe = Probe(model, False, Runtime(torch.device("cpu")))
    probe.kept_bytes(1, 64)
    probe.seconds(1, 64)
    assert seen == [True] * 3  # twice forward, once backward
    assert laid == [torch.Size([1, 3, 64, 64])] * 2


def test_the_weights_of_a_teacher_count(two_epochs: Trainer) -> None:
    def memory(teacher: Path | None) -> int:
        optimise = replace(SETTINGS.optimise, teacher=teacher)
        settings = replace(SETTINGS, run=replace(SETTINGS.run, device="cpu"), optimise=optimise)
        found = expected_spending(settings, resumption(0), None, measure=True)[-1].memory_bytes
        assert found is not None
        return found

    weights = sum(p.numel() * 4 for p in two_epochs.state.model.parameters())
    taught = memory(two_epochs.folder.last) - memory(None)
    assert taught == pytest.approx(weights, rel=0.2)
