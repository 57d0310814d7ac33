"""What a network costs: parameters and floating-point operations."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from decamo.nn.segmentation_network import TorchModule

__all__ = ["Cost", "measure_cost"]


@dataclass(frozen=True)
class Cost:
    """Price of a network.

    Attributes:
        parameters: number of learnable scalars.
        flops: operations of one forward pass on one image: two for each multiply-add of
            convolutions and matrix products; element-wise work is not counted.
    """

    parameters: int
    flops: int


@torch.no_grad()
def measure_cost(model: TorchModule, size: int) -> Cost:
    """Run one image through a network, in eval mode, and count.

    Args:
        model: a segmenter, or its bare ``backbone``; left in the mode it was in.
        size: height and width of the image, in px.
    """
    parameters = sum(p.numel() for p in model.parameters())
    first = next(model.parameters())
    image = torch.zeros(1, 3, size, size, device=first.device, dtype=first.dtype)
    mode = model.training
    learning = [p for p in model.parameters() if p.requires_grad]
    model.eval()
    try:
        for parameter in learning:  # torch's counter hooks into gradients, and no_grad has none
            parameter.requires_grad_(False)
        with FlopCounterMode(display=False) as counter:
            model(image)
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
        model.train(mode)
    return Cost(parameters, counter.get_total_flops())
