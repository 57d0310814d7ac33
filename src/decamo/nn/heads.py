"""The ends of the network: backbone features in, logits out."""

from torch import Tensor, nn

from decamo.nn.decoder import GROUPS

__all__ = ["Lateral", "LogitHead"]

# sigmoid(-2) = 0.12, about the share of foreground in COD10K's masks: an untrained network
# predicts no object, and the first steps need not unlearn one.
INITIAL_LOGIT = -2.0


class Lateral(nn.Module):
    """1x1 convolution and GroupNorm: any level of any backbone in the common width.

    The norm takes out the scale of the backbone's features, which differs between levels by
    orders of magnitude.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 1, bias=False)
        self.norm = nn.GroupNorm(GROUPS, width)

    def forward(self, feature: Tensor) -> Tensor:
        """``[B,channels,h,w]`` -> ``[B,width,h,w]``."""
        return self.norm(self.conv(feature))


class LogitHead(nn.Module):
    """1x1 convolution to one channel; starts near -2 everywhere."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, 1, 1)
        nn.init.normal_(self.conv.weight, std=0.01)
        nn.init.constant_(self.conv.bias, INITIAL_LOGIT)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,h,w]`` -> logits, float32 ``[B,1,h,w]``."""
        return self.conv(x).float()
