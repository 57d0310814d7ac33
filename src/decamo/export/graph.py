"""From a network of torch to an ONNX graph: uint8 in, logits and probabilities out."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from decamo.errors import ExportError
from decamo.export.description import IMAGE, LOGITS, PROBABILITY
from decamo.export.graph_forms import runtime_forms
from decamo.nn import STRIDES, SegmentationNetwork
from decamo.nn.segmentation_network import TorchModule

__all__ = ["MOST_SIDE", "ExportGraph", "Traced", "constant_padding", "trace"]

MOST_SIDE = 4096
"""Largest height and width of an exported graph, in px."""

_STEP = STRIDES[-1]
_OPERATOR = re.compile(r"op='([\w.]+)'|\b((?:aten|torchvision|prims)[.:]+[\w.]+)")


class ExportGraph(nn.Module):
    """All between an image of the network's size and its map.

    Args:
        network: in evaluation mode, on the CPU.
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Uint8 RGB ``[N,3,H,W]`` -> logits and probabilities, float32 ``[N,1,H,W]``."""
        logits = self.network(self.network.normalize(image)).logits
        return logits, logits.sigmoid()


@dataclass(frozen=True)
class Traced:
    """A graph and the sizes that it takes.

    Attributes:
        model: the graph.
        least_side: smallest height and width, in px.
        most_side: greatest height and width, in px.
        note: why it takes one size alone; empty where it takes others.
    """

    model: onnx.ModelProto
    least_side: int
    most_side: int
    note: str = ""


@torch.no_grad()
def trace(network: SegmentationNetwork, size: int) -> Traced:
    """Trace a network with dynamic batch, height and width; of one that has one size, its own.

    Args:
        network: in evaluation mode, on the CPU.
        size: side of the images that it was trained on, in px.

    Raises:
        ExportError: an operator of it has no ONNX form.
    """
    with constant_padding(network), runtime_forms(network):
        return _traced(network, size)


def _traced(network: SegmentationNetwork, size: int) -> Traced:
    graph = ExportGraph(network).eval()
    least = _least_side(network)
    # Two sides that differ, and two images: a side or a batch that is 1, or alike, is taken for
    # a constant. What a network keeps for a size is made before, by a pass that is not traced.
    example = torch.zeros(2, 3, size, size + _STEP, dtype=torch.uint8)
    reason = f"{size} px is below {least} px, from which its experts work at every size"
    if size >= least:
        try:
            graph(example)
            return Traced(_exported(graph, example, least), least, MOST_SIDE)
        except Exception as error:  # whatever a network of others, and the exporter, raise
            reason = _reason(error)
    example = example[..., :size].contiguous()
    graph(example)
    try:
        model = _exported(graph, example, None)
    except Exception as error:  # as above
        operator = _operator(error)
        raise ExportError(
            network.title,
            f"its operator {operator} has no ONNX form" if operator else _reason(error),
            "replace it in the network, or share the network by --to safetensors",
        ) from error
    return Traced(model, size, size, reason)


@contextmanager
def constant_padding(network: TorchModule) -> Iterator[None]:
    """Within the block, TensorFlow's "same" convolutions pad traced images by constants.

    What they add depends on the remainder of a side by their stride, which is 0 at every level of
    an image of multiples of 32 px. The tracer does not see that: it carries the remainder's formula
    on from layer to layer, and takes an hour where it could take minutes.
    """
    same = [module for module in network.modules() if isinstance(module, Conv2dSame)]
    try:
        for module in same:
            module.forward = partial(_same, module)  # type: ignore[method-assign]
        yield
    finally:
        for module in same:
            vars(module).pop("forward", None)


def _same(module: Conv2dSame, x: Tensor) -> Tensor:
    side: object = x.shape[-2]
    if not isinstance(side, torch.SymInt):
        return type(module).forward(module, x)
    pads: list[int] = []
    for kernel, stride, dilation in zip(
        module.kernel_size, module.stride, module.dilation, strict=True
    ):
        total = max((kernel - 1) * dilation + 1 - stride, 0)
        pads = [total // 2, total - total // 2, *pads]
    padded = F.pad(x, pads)
    return F.conv2d(
        padded, module.weight, module.bias, module.stride, 0, module.dilation, module.groups
    )


def _least_side(network: SegmentationNetwork) -> int:
    """From which side on no expert cuts its cell to the deepest level."""
    cells = [int(getattr(module, "cell", 0)) for module in network.modules()]
    return _STEP * max(max(cells, default=0) - 1, 1)


def _exported(graph: ExportGraph, example: Tensor, least: int | None) -> onnx.ModelProto:
    """``least`` is None for a height and width that are fixed."""
    shape: dict[int, Any] = {0: torch.export.Dim("batch", min=1, max=1024)}
    if least is not None:
        for axis, name in ((2, "height"), (3, "width")):
            steps = torch.export.Dim(name, min=least // _STEP, max=MOST_SIDE // _STEP)
            shape[axis] = _STEP * steps
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about its own future
        program = torch.onnx.export(
            graph,
            (example,),
            dynamo=True,
            dynamic_shapes={"image": shape},
            input_names=[IMAGE],
            output_names=[LOGITS, PROBABILITY],
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter gave nothing")
    return _cleaned(program.model_proto)


def _cleaned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the stack traces of this machine that the exporter leaves at every node."""
    model.ClearField("doc_string")
    for graph in (model.graph, *model.functions):
        graph.ClearField("metadata_props")
        graph.ClearField("doc_string")
        for node in graph.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
    for tensor in model.graph.initializer:
        tensor.ClearField("metadata_props")
    return model


def _chain(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _operator(error: Exception) -> str:
    """The operator that an exporter's complaint names; empty where it names none."""
    for one in _chain(error):
        found = _OPERATOR.search(str(one))
        if found:
            return found[1] or found[2]
    return ""


def _reason(error: Exception) -> str:
    """What lies at the bottom of an exporter's complaint, in a line."""
    deepest = _chain(error)[-1]
    lines = [line.strip() for line in str(deepest).splitlines() if line.strip()]
    return f"{(lines or [''])[0] or type(deepest).__name__:.160}"
