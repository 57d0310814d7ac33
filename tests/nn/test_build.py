from pathlib import Path

import pytest
import timm
import torch

from decamo.errors import CheckpointMismatch, ModelError
from decamo.nn import Segmenter, build_segmenter, from_architecture
from decamo.nn.build import check_sizes, refuse_unbuildable
from decamo.nn.foveated import FoveatedSegmenter
from decamo.settings import ModelSettings
from tests.nn.conftest import Make

NAME = "mobilenetv2_035"


def equal(a: Segmenter, b: Segmenter) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in ours.items())


def test_the_seed_fixes_the_weights_and_touches_no_generator(make: Make) -> None:
    before = torch.get_rng_state()
    first, again, other = make(seed=5), make(seed=5), make(seed=6)
    assert torch.equal(before, torch.get_rng_state())
    assert equal(first, again)
    assert not equal(first, other)
    assert not torch.equal(first.backbone.net.conv_stem.weight, other.backbone.net.conv_stem.weight)  # type: ignore[arg-type, union-attr]


@pytest.mark.parametrize(
    ("size", "remedy"), [(350, "give 320 or 352"), (385, "give 384 or 416"), (33, "give 32 or 64")]
)
def test_a_size_that_is_no_multiple_gets_its_two_neighbours(size: int, remedy: str) -> None:
    with pytest.raises(ModelError, match=f"--img-size: got {size}.*{remedy}"):
        build_segmenter(ModelSettings(NAME, pretrained=False), sizes=[384, size], seed=0)


@pytest.mark.parametrize("name", [NAME, "edgenext_xx_small"])
def test_the_architecture_alone_makes_it_again(make: Make, name: str) -> None:
    settings = {"num_experts": 3, "input_mean": (0.1, 0.2, 0.3), "input_std": (0.4, 0.5, 0.6)}
    first = make(name, **settings)
    assert first.architecture == {
        "backbone": name,
        "num_experts": 3,
        "width": 64,
        "input_mean": [0.1, 0.2, 0.3],
        "input_std": [0.4, 0.5, 0.6],
    }
    before = torch.get_rng_state()
    second = from_architecture(first.architecture)
    assert torch.equal(before, torch.get_rng_state())
    assert second.architecture == first.architecture
    second.load_state_dict(first.state_dict())
    assert equal(first, second)
    pixels = torch.full((1, 3, 32, 32), 9, dtype=torch.uint8)
    assert torch.equal(first.normalize(pixels), second.normalize(pixels))


def test_a_zoom_is_part_of_the_architecture_only_where_there_is_one(make: Make) -> None:
    assert "zoom" not in make().architecture
    first = make(zoom=1.5)
    assert first.architecture["zoom"] == 1.5
    assert from_architecture(first.architecture).zoom == 1.5
    assert from_architecture(make().architecture).zoom == 1


def test_a_fovea_is_part_of_the_architecture_only_where_there_is_one(make: Make) -> None:
    assert "fovea" not in make().architecture
    first = make(fovea=0.5)
    assert isinstance(first, FoveatedSegmenter)
    second = from_architecture(first.architecture)
    assert isinstance(second, FoveatedSegmenter)
    assert second.architecture == first.architecture
    second.load_state_dict(first.state_dict())
    assert equal(first, second)


def test_a_weights_file_wins_over_pretrained(tmp_path: Path) -> None:
    state = timm.create_model(NAME).state_dict()
    torch.save(state, tmp_path / "w.pth")
    settings = ModelSettings(NAME, backbone_weights=tmp_path / "w.pth")
    segmenter = build_segmenter(settings, sizes=[64], seed=0)
    stem = segmenter.backbone.net.state_dict()["conv_stem.weight"]
    assert torch.equal(stem, state["conv_stem.weight"])


def test_without_initialisation_nothing_is_read_or_fetched(tmp_path: Path) -> None:
    gone = ModelSettings(NAME, backbone_weights=tmp_path / "gone.pth")
    build_segmenter(gone, sizes=[64], initialize=False, seed=0)
    build_segmenter(ModelSettings(NAME, pretrained=True), sizes=[64], initialize=False, seed=0)


def test_checkpointing_is_a_setting(make: Make) -> None:
    assert make(gradient_checkpointing=True).gradient_checkpointing
    assert not make().gradient_checkpointing


@pytest.fixture(scope="module")
def particular() -> Segmenter:
    """A network that does not take every size."""
    return build_segmenter(ModelSettings("mvitv2_tiny", pretrained=False), sizes=[64], seed=0)


@pytest.mark.parametrize(
    ("sizes", "scales", "named"),
    [
        ([224], [1.0], ""),
        ([128], [1.0, 1.75], ""),
        ([256], [1.0], "256 px"),
        ([224], [0.75, 1.25], "288 px"),
        ([100], [1.0], "not a multiple"),
    ],
)
def test_every_size_at_every_scale_is_looked_at(
    particular: Segmenter, sizes: list[int], scales: list[float], named: str
) -> None:
    if not named:
        check_sizes(particular, sizes, scales)
        return
    with pytest.raises(ModelError, match=named):
        check_sizes(particular, sizes, scales)


def test_what_trains_at_a_size_that_the_backbone_does_not_take_is_refused() -> None:
    for size, zoom, seen in ((64, 1.0, 64), (32, 2.0, 64)):
        settings = ModelSettings("test_coatnet", pretrained=False, zoom=zoom)
        with pytest.raises(ModelError, match=f"test_coatnet does not take {seen} px"):
            build_segmenter(settings, sizes=[96, size], seed=0)


@pytest.mark.parametrize("more", [{"network": "Unet"}, {"blocks": 3}, {"network": "FPN", "b": 1}])
def test_a_checkpoint_of_another_network_is_refused_in_a_line(
    make: Make, more: dict[str, str | int]
) -> None:
    own = make().architecture
    refuse_unbuildable(own, "m.pth")
    for refuse in (refuse_unbuildable, from_architecture):
        with pytest.raises(CheckpointMismatch, match=r"m\.pth: it holds the network") as told:
            refuse({**own, **more}, "m.pth")
        assert str(more.get("network", "blocks")) in str(told.value)
        assert "\n" not in str(told.value)
