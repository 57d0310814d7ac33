"""Weights whose shapes go with an image size, made to fit another."""

from collections.abc import Mapping
from math import isqrt

import torch.nn.functional as F
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor

__all__ = ["fit_tables"]


def fit_tables(values: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Interpolate tables of positions to the shapes that a network has.

    As the authors of MViTv2 do (arXiv:2112.01526, their ``get_rel_pos``); timm does it for other
    networks when it loads them. What is no such table stays as it is.

    Args:
        values: name -> weights.
        wanted: name -> weights of the network; only their shapes matter.
    """
    found = dict(values)
    for name, value in values.items():
        target = wanted.get(name)
        if target is None or target.shape == value.shape:
            continue
        if name.endswith("pos_embed") and value.ndim == target.ndim == 3:
            found[name] = _spread(value, target.shape[1])
        if value.ndim != 2:
            continue
        if name.endswith("attention_bias_idxs"):
            found[name] = target  # where in the table each pair of positions looks
        elif "rel_pos" in name and value.shape[1] == target.shape[1]:
            found[name] = _lengthened(value, target.shape[0])
        elif "attention_bias" in name and value.shape[0] == target.shape[0]:
            found[name] = _widened(value, target.shape[1])
    return found


def _lengthened(table: Tensor, length: int) -> Tensor:
    """``[L,C]`` of offsets -(n-1) to n-1 -> ``[length,C]``, linear."""
    row = table.t()[None].float()
    return F.interpolate(row, size=length, mode="linear")[0].t().to(table.dtype)


def _spread(embedding: Tensor, count: int) -> Tensor:
    """``[1,n*n,C]`` of positions -> ``[1,count,C]``, bicubic, where both are square."""
    side, wider = isqrt(embedding.shape[1]), isqrt(count)
    if side**2 != embedding.shape[1] or wider**2 != count:
        return embedding
    return resample_abs_pos_embed(embedding, [wider, wider], [side, side], num_prefix_tokens=0)


def _widened(table: Tensor, count: int) -> Tensor:
    """``[heads,n*n]`` of distances along both sides -> ``[heads,count]``, where that is square."""
    side, wider = isqrt(table.shape[1]), isqrt(count)
    if side**2 != table.shape[1] or wider**2 != count:
        return table
    square = table.reshape(1, -1, side, side).float()
    resized = F.interpolate(square, size=(wider, wider), mode="bilinear", align_corners=True)
    return resized.reshape(-1, count).to(table.dtype)
