"""A network that looks twice is the same in ONNX and OpenVINO; of it, what is not a convolution."""

from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from onnxruntime import InferenceSession
from torch import Tensor, nn

from decamo.nn.fovea import Fovea, fovea_around, put_back, seen_at

SIZES = ((16, 24), (32, 48))  # of the first map and of the image


class TwoLooks(nn.Module):
    """The window of a map, what an image shows in it, and that put back."""

    def forward(self, logits: Tensor, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``[B,1,h,w]`` and ``[B,3,H,W]`` -> the glance, the detail and the map with it."""
        window = fovea_around(logits)
        glance = seen_at(Fovea.whole(image), image, SIZES[0])
        detail = seen_at(window, image, SIZES[0])
        return glance, detail, put_back(window, logits, detail[:, :1])


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "looks.onnx"
    example = torch.zeros(2, 1, *SIZES[0]), torch.zeros(2, 3, *SIZES[1])
    torch.onnx.export(
        TwoLooks().eval(), example, path, dynamo=True, verbose=False,
        input_names=["logits", "image"],
    )  # fmt: skip
    return path


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_both_looks_are_those_of_torch(graph: Path, runtime: str) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(2, 1, *SIZES[0], generator=draw)
    image = torch.randn(2, 3, *SIZES[1], generator=draw)
    given = {"logits": logits.numpy(), "image": image.numpy()}
    if runtime == "onnxruntime":
        found = InferenceSession(graph).run(None, given)
    else:
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        found = list(openvino.compile_model(graph, "CPU", exact)(given).to_tuple())
    for got, wanted in zip(found, TwoLooks()(logits, image), strict=True):
        np.testing.assert_allclose(got, wanted.numpy(), atol=1e-5)
