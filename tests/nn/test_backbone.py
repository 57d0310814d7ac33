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


@pytest.mark.parametrize(
    ("name", "why"),
    [("vit_tiny_patch16_224", "stride 4"), ("swin_tiny_patch4_window7_224", "64 px")],
)
def test_a_network_without_a_usable_pyramid_is_refused(name: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        create_backbone(name, pretrained=False)
