"""Which of timm's backbones lies in another program's weights."""

import re
from collections.abc import Mapping
from functools import cache

import timm
from torch import Tensor

from decamo.errors import ModelError
from decamo.nn.feature_maps import AS_IS, open_network
from decamo.nn.weights import backbone_fits

__all__ = ["backbone_in"]

# Part of a name that a family has, and its members that networks of this field use. Of two with
# the same names and shapes (tf_efficientnet_b0 pads otherwise) the first is taken.
_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"layer1\.0\.convs\.0\.",
     ("res2net50_26w_4s", "res2net50d", "res2net101_26w_4s", "res2net101d", "res2net50_26w_8s",
      "res2net50_14w_8s", "res2net50_48w_2s")),
    (r"layer1\.0\.conv1\.",
     ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet10t", "resnet14t",
      "resnet18d", "resnet26", "resnet26d", "resnet34d", "resnet50d", "resnet101d",
      "resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "seresnet50")),
    (r"stages\.0\.blocks\.0\.attn\.|block1\.0\.attn\.",
     tuple(f"pvt_v2_b{n}" for n in ("0", "1", "2", "2_li", "3", "4", "5"))),
    (r"relative_position_bias_table",
     ("swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224",
      "swin_base_patch4_window7_224", "swin_base_patch4_window12_384",
      "swin_large_patch4_window12_384")),
    (r"blocks\.0\.0\.",
     ("mobilenetv2_035", "mobilenetv2_050", "mobilenetv2_100", "mobilenetv2_140",
      "mobilenetv3_small_100", "mobilenetv3_large_100", "tf_efficientnet_lite0",
      "tf_efficientnet_lite2", *(f"efficientnet_b{n}" for n in range(5)),
      *(f"tf_efficientnet_b{n}" for n in range(8)), "test_efficientnet")),
    (r"stages\.\d\.blocks\.0\.(conv_dw|norm)|stages_\d\.blocks\.0\.(conv_dw|norm)",
     ("convnext_atto", "convnext_femto", "convnext_pico", "convnext_nano", "convnext_tiny",
      "convnext_small", "convnext_base", "convnext_large", "convnextv2_tiny", "convnextv2_base",
      "edgenext_xx_small", "edgenext_x_small", "edgenext_small", "edgenext_base")),
    (r"features\.0\.", ("vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "densenet121")),
)  # fmt: skip


def backbone_in(weights: Mapping[str, Tensor], told: str = "") -> str:
    """Timm's name of the backbone whose tensors are all among some weights.

    Tried are those that networks of this field use, by names and shapes, whatever stands before
    the names; nothing is fetched, and no values are made.

    Args:
        weights: of a whole network, by its names.
        told: what its own library calls it; tried first.

    Returns:
        empty where it is none of them.
    """
    known = [
        name
        for mark, names in _FAMILIES
        if any(re.search(mark, key) for key in weights)
        for name in names
    ]
    for name in [told, *known] if timm.is_model(told) else known:
        if (wanted := _shapes(name)) is not None and backbone_fits(weights, wanted):
            return name
    return ""


@cache  # a race asks again what a run's beginning asked
def _shapes(name: str) -> Mapping[str, Tensor] | None:
    """Tensors without values of a feature extractor; None where another timm has it not."""
    try:
        return open_network(name, AS_IS, "meta").state_dict()
    except ModelError:
        return None
