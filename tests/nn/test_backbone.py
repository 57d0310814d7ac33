import copy

import pytest
import torch
from torch import Tensor, nn

from decamo.errors import ModelError, UnknownBackbone
from decamo.nn.backbone import STRIDES, Backbone, create_backbone

SMALL = ("edgenext_xx_small", "mobilenetv2_035")


@pytest.mark.parametrize("name", [*SMALL, "resnet10t", "pvt_v2_b0"])
def test_levels_have_strides_4_to_32_and_the_declared_channels(name: str) -> None:
    backbone = create_backbone(name, pretrained=False)
    features = backbone(torch.zeros(1, 3, 96, 64))
    assert [tuple(f.shape[1:]) for f in features] == [
        (channels, 96 // stride, 64 // stride)
        for channels, stride in zip(backbone.channels, STRIDES, strict=True)
    ]


def test_channels_come_second_whatever_the_network_prefers() -> None:
    class Nhwc(nn.Module):
        output_fmt = "NHWC"

        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(3, 5 + s, s, s) for s in STRIDES)
            self.feature_info = Info()

        def forward(self, x: Tensor) -> list[Tensor]:
            return [conv(x).permute(0, 2, 3, 1) for conv in self.convs]

    class Info:
        def channels(self) -> list[int]:
            return [5 + s for s in STRIDES]

        def reduction(self) -> list[int]:
            return list(STRIDES)

    backbone = Backbone("nhwc", Nhwc())
    assert [f.shape[1] for f in backbone(torch.zeros(1, 3, 64, 64))] == list(backbone.channels)


@pytest.mark.parametrize("name", SMALL)
def test_a_parameter_belongs_to_the_first_level_that_it_can_change(name: str) -> None:
    """Oracle: turn a level's parameters about and see which feature maps move."""
    backbone = create_backbone(name, pretrained=False)
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    parameters = dict(backbone.named_parameters())
    with torch.no_grad():
        before = backbone(image)
        for level, names in enumerate(backbone.levels):
            assert names
            kept = {n: parameters[n].clone() for n in names}
            for n in names:
                parameters[n].mul_(-1.5).add_(0.3)
            moved = [not torch.equal(a, b) for a, b in zip(before, backbone(image), strict=True)]
            assert moved == [i >= level for i in range(4)]
            for n in names:
                parameters[n].copy_(kept[n])


@pytest.mark.parametrize("name", SMALL)
def test_each_parameter_is_in_one_level(name: str) -> None:
    backbone = create_backbone(name, pretrained=False)
    listed = [n for names in backbone.levels for n in names]
    assert sorted(listed) == sorted(n for n, _ in backbone.named_parameters())


def test_the_stem_is_shallow_and_the_last_stage_deep() -> None:
    levels = create_backbone("edgenext_xx_small", pretrained=False).levels
    assert any(n.startswith("net.stem_0") for n in levels[0])
    for level in range(4):
        assert any(n.startswith(f"net.stages_{level}.") for n in levels[level])


def test_the_probe_draws_no_random_number_and_leaves_no_gradient() -> None:
    net = create_backbone("mobilenetv2_035", pretrained=False).net
    before = torch.get_rng_state()
    with torch.no_grad():
        backbone = Backbone("again", net)
    assert torch.equal(before, torch.get_rng_state())
    assert all(p.grad is None for p in backbone.parameters())


def test_a_misspelt_name_gets_its_neighbours() -> None:
    with pytest.raises(UnknownBackbone, match=r"--backbone: .*edgenext_bse.*edgenext_base"):
        create_backbone("edgenext_bse", pretrained=False)


def test_a_network_without_a_usable_pyramid_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"crossvit_tiny_240 has no feature map of strides 4 to 32"
    ):
        create_backbone("crossvit_tiny_240", pretrained=False)


class Fours:
    def channels(self) -> list[int]:
        return [4] * 4

    def reduction(self) -> list[int]:
        return list(STRIDES)


class Caching(nn.Module):
    """A pyramid that keeps what it made of its weights, in one of the ways of real networks."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 4, s, s) for s in STRIDES)
        self.biases = nn.Parameter(torch.arange(4.0) + 1)
        self.index = torch.tensor([3, 2, 1, 0])
        self.way = way
        self.by_device: dict[str, Tensor] = {}
        self.by_size: dict[str, list[Tensor]] = {"none": []}
        self.kept: Tensor | None = None
        self.seen: list[Tensor] = []
        self.calls = 0
        self.feature_info = Fours()

    def _bias(self, size: int) -> Tensor:
        if self.way == "dict":
            if "cpu" not in self.by_device:
                self.by_device["cpu"] = self.biases[self.index]
            return self.by_device["cpu"]
        if self.way == "by size":
            if str(size) not in self.by_size:
                self.by_size = self.by_size | {str(size): [self.biases[self.index]]}
            return self.by_size[str(size)][0]
        if self.way == "list":
            if not self.seen:
                self.seen.append(self.biases[self.index])
            return self.seen[0]
        if self.way == "new attribute":
            if not hasattr(self, "late"):
                self.late = self.biases[self.index]
            return self.late
        if self.kept is None:
            self.kept = self.biases[self.index]
        return self.kept

    def forward(self, x: Tensor) -> list[Tensor]:
        self.calls += 1
        bias = self._bias(x.shape[-1])
        return [conv(x) * bias[:, None, None] for conv in self.convs]


def steps(backbone: Backbone, *sizes: int) -> None:
    for size in sizes:
        loss = sum(f.square().mean() for f in backbone(torch.ones(1, 3, size, size)))
        assert isinstance(loss, Tensor)
        loss.backward()


def tiny_vit() -> Backbone:
    return create_backbone("tiny_vit_5m_224", pretrained=False)


@pytest.mark.parametrize(
    "way",
    [
        *("dict", "by size", "list", "attribute", "new attribute"),
        pytest.param("tiny_vit_5m_224", marks=pytest.mark.long),  # keeps a dict, as the first does
    ],
)
def test_nothing_that_a_network_keeps_outlives_a_pass(way: str) -> None:
    """Oracle: the gradient of a copy that has never seen an image, and a fresh load."""

    def make() -> Backbone:
        torch.manual_seed(3)
        return tiny_vit() if way == "tiny_vit_5m_224" else Backbone(way, Caching(way))

    used, fresh = make(), make()
    with torch.inference_mode():
        used(torch.ones(1, 3, 96, 96))
    with torch.no_grad():
        used(torch.ones(1, 3, 64, 64))
    steps(used, 64, 96, 64)
    used.zero_grad()
    steps(used, 96)
    steps(fresh, 96)
    for (name, one), other in zip(used.named_parameters(), fresh.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        assert one.grad is None or other.grad is None or torch.equal(one.grad, other.grad), name
    changed = {k: v + 0.01 if "bias" in k else v for k, v in used.state_dict().items()}
    again, never = copy.deepcopy(used), make()
    for one_backbone in (used, again, never):
        one_backbone.load_state_dict(changed)
    image = torch.ones(1, 3, 96, 96)
    for got, copied, want in zip(used(image), again(image), never(image), strict=True):
        assert torch.equal(got, want)
        assert torch.equal(copied, want)


@pytest.mark.long
def test_gradients_are_the_same_where_activations_are_recomputed() -> None:
    grads = []
    for enable in (False, True):
        torch.manual_seed(3)
        backbone = tiny_vit()
        backbone.set_checkpointing(enable)
        steps(backbone, 64, 64)
        grads.append([p.grad for p in backbone.parameters()])
    for one, other in zip(*grads, strict=True):
        assert one is None or other is None or torch.allclose(one, other, atol=1e-6)


def test_what_no_weight_is_in_stays() -> None:
    net = Caching("dict")
    backbone = Backbone("counting", net)
    before = net.calls
    steps(backbone, 64, 96)
    assert net.calls == before + 2
    assert net.by_device == {}
    assert torch.equal(net.index, torch.tensor([3, 2, 1, 0]))


@pytest.fixture(scope="module")
def particular() -> Backbone:
    """One that does not take every size."""
    return create_backbone("mvitv2_tiny", pretrained=False)


@pytest.mark.parametrize(("size", "fits"), [(64, True), (224, True), (256, False), (384, False)])
def test_a_size_that_a_network_does_not_take_is_told(
    particular: Backbone, size: int, fits: bool
) -> None:
    if fits:
        particular.check_size(size)
        return
    with pytest.raises(ModelError, match=f"mvitv2_tiny does not take {size} px images") as told:
        particular.check_size(size)
    assert "\n" not in str(told.value)
    assert str(told.value).startswith("--img-size")
