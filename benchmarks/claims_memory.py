"""The memory that training needs, counted in bytes of tensors; the same on every device."""

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from decamo.losses import Criterion
from decamo.nn import build_segmenter
from decamo.settings import TrainSettings

__all__ = ["training_bytes"]

_MOMENTS = 2  # of Adam, each as large as the weights


def training_bytes(settings: TrainSettings, *, taught: bool = False) -> int:
    """Bytes that must be held at once in a step of stage 2, all groups learning.

    Weights, gradients, Adam's two moments, the moving average where there is one, and what autograd
    keeps of one micro-batch for the backward pass, each storage once. Images that wait and the
    scratch space of kernels come on top; they differ from device to device.

    Args:
        settings: of the run; nothing is read from the disk.
        taught: whether a teacher of the same network is held as well.
    """
    size, batch = settings.schedule.img_size, settings.schedule.fine_tune_batch
    deep = settings.optimise.deep_supervision
    model = build_segmenter(settings.model, sizes=[size], initialize=False, seed=0).train()
    model.gradient_checkpointing = settings.model.gradient_checkpointing
    model.set_learning(model.groups())
    own = [*model.parameters(), *model.buffers()]
    known = {t.untyped_storage().data_ptr() for t in own}
    kept: dict[int, Tensor] = {}  # held, so that no storage's address is used again

    def keep(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in known:
            kept[address] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        image = model.normalize(torch.zeros(batch, 3, size, size, dtype=torch.uint8))
        prediction = model(image, side_outputs=deep, scale=max(settings.optimise.multi_scale))
        mask = torch.zeros(batch, 1, size, size)
        Criterion(deep_supervision=deep)(prediction, mask)
    weights = sum(p.nbytes for p in model.parameters())
    copies = 1 + settings.optimise.use_ema + taught
    held = copies * sum(t.nbytes for t in own) + (1 + _MOMENTS) * weights
    return held + sum(t.untyped_storage().nbytes() for t in kept.values())
