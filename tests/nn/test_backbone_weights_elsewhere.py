"""Weights of a backbone beside a network that only its own function knows."""

from dataclasses import replace
from pathlib import Path

import pytest

from decamo.errors import SettingsError
from decamo.nn.networks import build_network
from decamo.settings import ModelSettings
from tests.foreign_files import network_file


def test_they_are_not_passed_over_without_a_word(tmp_path: Path) -> None:
    settings = ModelSettings(
        network=f"{network_file(tmp_path)}:build", backbone_weights=tmp_path / "weights.pth"
    )

    with pytest.raises(SettingsError, match="--backbone-weights"):
        build_network(settings, sizes=[64], seed=0)

    elsewhere = "transformers:SegformerForSemanticSegmentation"
    with pytest.raises(SettingsError, match="--backbone-weights"):
        build_network(replace(settings, network=elsewhere), sizes=[64], seed=0)

    assert build_network(settings, sizes=[64], initialize=False, seed=0).title
