"""Networks that give no four levels by themselves, or not at every size."""

import hashlib

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from decamo.nn import Segmenter, build_segmenter, from_architecture
from decamo.nn.backbone import STRIDES, Backbone, create_backbone
from decamo.nn.feature_maps import FeatureMaps, SimplePyramid, level_sources
from decamo.nn.weights import fit_tables
from decamo.settings import ModelSettings


def built(name: str, size: int, **settings: object) -> Segmenter:
    chosen = ModelSettings(backbone=name, pretrained=False, num_experts=1, **settings)  # type: ignore[arg-type]
    return build_segmenter(chosen, sizes=[size], seed=0)


# Of main before these networks worked: names and values of the weights, and the groups.
AS_BEFORE = {
    "test_efficientnet": ("b10f55d37471", "519abde5fddd", 18460.51799285412),
    "mobilenetv2_035": ("43d6cd1b038e", "c59361b09488", 18883.4582157135),
    "edgenext_xx_small": ("3b49164a2d7a", "b9300091bfd8", 18939.95245718956),
}


@pytest.mark.parametrize("name", AS_BEFORE)
def test_networks_of_before_stay_bit_equal(name: str) -> None:
    chosen = ModelSettings(backbone=name, pretrained=False, num_experts=2)
    model = build_segmenter(chosen, sizes=[96], seed=3)
    weights = hashlib.sha256()
    for key, value in model.state_dict().items():
        weights.update(key.encode() + str(tuple(value.shape)).encode())
    groups = {key: list(group) for key, group in model.groups().items()}
    digest = hashlib.sha256(repr(groups).encode()).hexdigest()[:12]
    image = torch.linspace(-2, 2, 3 * 96 * 96).reshape(1, 3, 96, 96)
    with torch.no_grad():
        logits = model.eval()(image).logits
    names, members, total = AS_BEFORE[name]
    assert (weights.hexdigest()[:12], digest) == (names, members)
    assert float(logits.double().abs().sum()) == pytest.approx(total, rel=1e-4)
    assert "img_size" not in model.architecture


@pytest.mark.parametrize(
    ("strides", "expected"),
    [
        ((4, 8, 16, 32), [(0, 0), (1, 0), (2, 0), (3, 0)]),
        ((16,), [(0, 2), (0, 1), (0, 0), (0, -1)]),
        ((8, 16, 32), [(0, 1), (0, 0), (1, 0), (2, 0)]),
        ((16, 32), [(0, 2), (0, 1), (0, 0), (1, 0)]),
        ((4, 8, 16), [(0, 0), (1, 0), (2, 0), (2, -1)]),
        ((32,), [(0, 3), (0, 2), (0, 1), (0, 0)]),
    ],
)
def test_levels_come_from_the_next_coarser_map(
    strides: tuple[int, ...], expected: list[tuple[int, int]]
) -> None:
    assert [(s.map, s.doublings) for s in level_sources(strides)] == expected
    pyramid = SimplePyramid(strides, [64] * len(strides))
    maps = [torch.zeros(1, 64, 96 // s, 64 // s) for s in strides]
    levels = pyramid(maps, (96, 64))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (c, 96 // s, 64 // s) for c, s in zip(pyramid.channels, STRIDES, strict=True)
    ]
    assert pyramid.complete == all(doublings == 0 for _, doublings in expected)


def test_a_map_of_another_size_is_resized_to_its_stride() -> None:
    feature = torch.randn(1, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    level = SimplePyramid((16,), [4])([feature], (96, 96))[2]
    assert torch.equal(level, F.interpolate(feature, size=(6, 6), mode="bilinear"))


def test_parameters_of_a_shared_map_are_cut_by_their_scalars() -> None:
    maps = FeatureMaps(taken=(0, 1), strides=(8, 32), depths=(0, 1), shares=(0, 0, 1, 1))
    names = ["a", "b", "c", "d", "e", "f"]
    levels = maps.levels(names, owners=[0, 0, 0, 1, 1, 1], sizes=[10, 10, 10, 90, 5, 5])
    assert levels == (("a",), ("b", "c"), ("d",), ("e", "f"))


PLAIN = "test_vit"


@pytest.fixture(scope="module")
def plain() -> Backbone:
    return create_backbone(PLAIN, pretrained=False)


def test_a_plain_vit_has_a_group_for_each_quarter_of_its_blocks(plain: Backbone) -> None:
    """Oracle: the blocks' numbers in the names; test_vit has six."""
    levels = plain.levels
    blocks = [{int(n.split(".")[3]) for n in names if ".blocks." in n} for names in levels]
    assert blocks == [{0, 1}, {2}, {3, 4}, {5}]
    assert any("patch_embed" in n for n in levels[0])
    assert any("pos_embed" in n for n in levels[0])


def test_what_makes_the_levels_of_a_plain_vit_learns_with_the_head() -> None:
    model = built(PLAIN, 64)
    model.set_learning(["head"])
    model(torch.randn(1, 3, 64, 64)).logits.sum().backward()
    learned = {n for n, p in model.named_parameters() if p.grad is not None}
    pyramid = {n for n in model.groups()["head"] if n.startswith("backbone.pyramid.")}
    assert pyramid
    assert pyramid <= learned
    assert not any(n.startswith("backbone.net.") for n in learned)


@pytest.mark.parametrize("side", [64, 96, 416])
def test_a_plain_vit_takes_any_size(plain: Backbone, side: int) -> None:
    with torch.no_grad():
        levels = plain(torch.zeros(1, 3, side, 64))
    assert [tuple(f.shape[2:]) for f in levels] == [(side // s, 64 // s) for s in STRIDES]
    assert "4, 8, 32 px are made" in plain.note


def test_patches_of_14_px_see_the_nearest_multiple(monkeypatch: pytest.MonkeyPatch) -> None:
    small = create_backbone("eva02_tiny_patch14_224", pretrained=False)
    seen: list[tuple[int, ...]] = []
    original = small.net.forward

    def watched(image: Tensor) -> list[Tensor]:
        seen.append(tuple(image.shape[2:]))
        found: list[Tensor] = original(image)
        return found

    monkeypatch.setattr(small.net, "forward", watched)
    with torch.no_grad():
        levels = small(torch.zeros(1, 3, 64, 96))
    assert set(seen) == {(70, 98)}
    assert [tuple(f.shape[2:]) for f in levels] == [(64 // s, 96 // s) for s in STRIDES]


def test_a_network_of_windows_is_built_for_the_size_and_says_so() -> None:
    model = built("test_coatnet", 96)
    assert model.architecture["img_size"] == 96
    assert "built for images of 96 px" in model.backbone.note
    again = from_architecture(model.architecture)
    again.load_state_dict(model.state_dict())
    image = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model.eval()(image).logits, again.eval()(image).logits)


@pytest.mark.long
def test_windows_that_do_not_divide_an_image_are_no_hindrance() -> None:
    backbone = create_backbone("swin_tiny_patch4_window7_224", pretrained=False, size=96)
    assert backbone.variant.built_for is None
    with torch.no_grad():
        levels = backbone(torch.zeros(1, 3, 96, 160))
    assert [tuple(f.shape[2:]) for f in levels] == [(96 // s, 160 // s) for s in STRIDES]


def test_relative_positions_are_interpolated_between_their_ends() -> None:
    table = torch.linspace(0, 1, 7)[:, None].repeat(1, 2)
    biases = torch.arange(9.0).reshape(1, 9)
    found = fit_tables(
        {"rel_pos_h": table, "attention_biases": biases, "weight": torch.zeros(2, 3)},
        {
            "rel_pos_h": torch.zeros(13, 2),
            "attention_biases": torch.zeros(1, 25),
            "weight": torch.zeros(3, 3),
        },
    )
    assert found["rel_pos_h"].shape == (13, 2)
    assert torch.allclose(found["rel_pos_h"][6], torch.tensor(0.5))
    assert torch.equal(found["attention_biases"].reshape(5, 5)[::2, ::2], biases.reshape(3, 3))
    assert found["weight"].shape == (2, 3)
