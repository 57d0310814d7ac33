"""What is put in the place of a layer while a network is traced."""

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from decamo.export.graph import constant_padding


def test_padding_by_constants_is_that_of_the_same_convolutions() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(Conv2dSame(3, 4, 3, stride=2), Conv2dSame(4, 2, 5, stride=2)).eval()
    sides = {axis: 32 * torch.export.Dim(name, min=1, max=9) for axis, name in ((2, "h"), (3, "w"))}
    with constant_padding(net):
        program = torch.export.export(
            net, (torch.zeros(1, 3, 64, 96),), dynamic_shapes=(sides,), strict=False
        )
    traced = program.module()
    for size in ((32, 32), (96, 64), (160, 224)):
        x = torch.randn(1, 3, *size)
        assert torch.equal(traced(x), net(x))
    assert all("forward" not in vars(module) for module in net)
