#!/bin/sh
# ONNX's Resize has an attribute `antialias`, which stretches its filter where an image shrinks; torch's
# exporter sets it for F.interpolate(..., antialias=True). OpenVINO takes such a graph without a word.
#
# Versions: onnx 1.23.2, onnxruntime 1.32.0, openvino 2026.4.1.
# Expected: what onnxruntime gives, to rounding, for mode linear and for mode cubic; or an error.
# Seen: OpenVINO leaves the antialiasing out of both: its result is that of onnxruntime for the same graph
# with antialias = 0, in a noise image of half the sides up to 0.3 of its range away.
#
# Exits with 0 while that is so, with 1 once it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

print("onnxruntime", onnxruntime.__version__, "openvino", openvino.__version__)
image = np.random.default_rng(0).random((1, 1, 64, 64), dtype=np.float32)


def graph(mode, antialias):
    """A file that halves an image's sides."""
    node = helper.make_node(
        "Resize", ["image", "", "", "size"], ["half"], mode=mode, antialias=antialias,
        coordinate_transformation_mode="half_pixel", cubic_coeff_a=-0.5,
    )
    shape = helper.make_tensor_value_info
    made = helper.make_graph(
        [node], "resize",
        [shape("image", TensorProto.FLOAT, [1, 1, 64, 64])],
        [shape("half", TensorProto.FLOAT, [1, 1, 32, 32])],
        [helper.make_tensor("size", TensorProto.INT64, [4], [1, 1, 32, 32])],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    path = f"{mode}{antialias}.onnx"
    onnx.save(model, path)
    return path


def by_onnxruntime(path):
    return onnxruntime.InferenceSession(path).run(None, {"image": image})[0]


def by_openvino(path):
    return openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(image)[0]


seen = {}
for mode in ("linear", "cubic"):
    found = by_openvino(graph(mode, 1))
    seen[mode] = [float(abs(found - by_onnxruntime(graph(mode, a))).max()) for a in (1, 0)]
    print(f"{mode}, antialias = 1: {seen[mode][0]:.1e} from onnxruntime with it, {seen[mode][1]:.1e} without it")
left_out = [without < 1e-5 < 0.1 < with_it for with_it, without in seen.values()]
sys.exit(0 if all(left_out) else 1)
PY
