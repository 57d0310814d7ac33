import importlib
from typing import Any

import pytest
import torch

from benchmarks.speed_network import (
    NetworkTerms,
    bare_answer,
    network_lines,
    own_answer,
)
from decamo.training.runtime import Runtime

TERMS = NetworkTerms("test_efficientnet", 64, 2, 2, Runtime(torch.device("cpu")))


def without_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def missing(name: str, *args: Any) -> Any:
        if name == "segmentation_models_pytorch":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", missing)


@pytest.mark.long
def test_our_network_and_three_peers_stand_beside_the_backbone() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    lines, left_out = network_lines(TERMS)
    assert left_out == ""
    names = {line.what.split(" / ")[0] for line in lines}
    assert names == {
        *("decamo", "stage 1, frozen", "gradient checkpointing", "Unet", "FPN", "Segformer")
    }
    assert all(0 < line.low <= line.ratio <= line.high for line in lines)
    assert [line.goal for line in lines[:4]] == [1.25, 1.25, 1.2, None]
    assert lines[2].ratio > 1  # a network keeps what its backbone keeps, and more
    assert lines[5].what == "gradient checkpointing / decamo: memory that training keeps"
    assert lines[5].ratio < 0.9  # counted


def test_without_the_library_the_peers_are_skipped_with_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_peers(monkeypatch)
    threads = torch.get_num_threads()
    lines, left_out = network_lines(TERMS)
    assert len(lines) == 6
    assert "segmentation-models-pytorch" in left_out
    assert torch.get_num_threads() == threads


def test_every_parameter_has_a_say_in_what_is_timed() -> None:
    network, image = TERMS.build(), TERMS.image()
    own_answer(network, image, TERMS.runtime).backward()
    assert all(p.grad is not None for p in network.parameters())
    network.zero_grad(set_to_none=True)
    bare_answer(network, image, TERMS.runtime).backward()
    reached = {name for name, p in network.named_parameters() if p.grad is not None}
    assert reached == {n for n, _ in network.named_parameters() if n.startswith("backbone.")}
