"""The network that looks twice: at the whole, then at a window in finer pixels."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decamo.nn.backbone import Backbone
from decamo.nn.decoder import magnified_side
from decamo.nn.fovea import Fovea, fovea_around, put_back, seen_at
from decamo.nn.segmentation_network import NetworkOutput
from decamo.nn.segmenter import Segmenter

__all__ = ["FoveatedSegmenter"]


class FoveatedSegmenter(Segmenter):
    """A segmenter whose backbone sees the image small, and then a window of it large.

    Both looks are by the same weights and of the same size, so that it costs twice what a look
    costs and not the square of the image's side. The second one is told what the first made of the
    window, and says what to add to it: it starts with adding nothing. The window follows from the
    first look's map without a gradient; all else is trained end to end.

    Args:
        backbone: gives the pyramid.
        fovea: how large the backbone sees the image, as a share of its side, above 0 and below 1;
            the window is seen at as many pixels.
        how: as for :class:`Segmenter`.
    """

    def __init__(self, backbone: Backbone, *, fovea: float, **how: Any) -> None:
        super().__init__(backbone, **how)
        self.architecture["fovea"] = self.fovea = fovea
        width = self.head.conv.in_channels
        self.prior = nn.Conv2d(width, width, 1)
        self.correction = nn.Conv2d(width, 1, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)  # type: ignore[arg-type]

    def forward(
        self, image: Tensor, side_outputs: bool = False, scale: float = 1.0
    ) -> NetworkOutput:
        """Predict; the logits have the image's size at every zoom and scale.

        Args:
            image: float32 ``[B,3,H,W]``, from :meth:`normalize`; H and W multiples of 32.
            side_outputs: also give the first look's logits of strides 4, 8, 16 and 32.
            scale: on top of the network's own zoom and fovea, of both looks.
        """
        glance = self.enlarged(image, scale)
        (finest, *deeper), gates = self._look(glance)
        first = self.head(finest)
        window = fovea_around(first)
        both = torch.cat((finest, first.to(finest)), dim=1)
        known = seen_at(window, both, finest.shape[-2:])
        detail = seen_at(window, image, glance.shape[-2:])
        (fine, *_), fine_gates = self._look(detail, self.prior(known[:, :-1]))
        second = known[:, -1:] + self.correction(fine).float()
        # a fine map's positions lie at most half as far apart as those of the image's pixels
        half = [side // 2 for side in image.shape[-2:]]
        whole = F.interpolate(first, size=half, mode="bilinear")
        logits = put_back(window, whole, second)
        return NetworkOutput(
            logits=F.interpolate(logits, size=image.shape[-2:], mode="bilinear"),
            side=(first, *self._side_logits(deeper)) if side_outputs else (),
            gates=(gates + fine_gates) / 2,
            usage=self.usage(),
        )

    def enlarged(self, image: Tensor, scale: float = 1.0) -> Tensor:
        """What the backbone sees at the first look, ``[B,3,H,W]`` -> ``[B,3,h,w]``.

        Bilinearly, as the window is: at half the size each pixel is the mean of four. Shrinking by
        cubics with antialiasing is another thing in OpenVINO.
        """
        size = [magnified_side(side, self.zoom * self.fovea * scale) for side in image.shape[-2:]]
        return seen_at(Fovea.whole(image), image, size)

    def check_size(self, size: int, scale: float = 1.0) -> None:
        """Look whether the backbone takes square images of ``size`` px at ``scale``.

        Raises:
            ModelError: it does not.
        """
        self.backbone.check_size(magnified_side(size, self.zoom * self.fovea * scale))
