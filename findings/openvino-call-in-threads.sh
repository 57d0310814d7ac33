#!/bin/sh
# OpenVINO's Python documentation offers to call a CompiledModel directly, with less overhead, since one
# InferRequest is kept for all such calls. onnxruntime's session, which stands in the same place of many programs, may
# be called by several threads at once.
#
# Versions: openvino 2026.4.1, numpy 2.4.0.
# Expected: right results in threads, one call after the other; or an error for each call that comes too early.
# Seen: most calls that meet another one raise "Infer Request is busy", but some return, without a word, the
# result of another thread's input. With an InferRequest for each call all are right.
#
# Exits with 0 while that is so, with 1 once it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 numpy==2.4.0
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino
from openvino import opset13 as ops

rng = np.random.default_rng(0)
image = ops.parameter([1, 8, 64, 64], np.float32, name="image")
layer = image
for _ in range(6):
    weights = ops.constant(rng.normal(size=(8, 8, 3, 3)).astype(np.float32) / 10)
    layer = ops.relu(ops.convolution(layer, weights, [1, 1], [1, 1], [1, 1], [1, 1]))
compiled = openvino.compile_model(
    openvino.Model([layer], [image], "convolutions"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
)
inputs = [rng.normal(size=(1, 8, 64, 64)).astype(np.float32) for _ in range(64)]
alone = [np.array(compiled([one])[0]) for one in inputs]


def ask(call, number):
    """Which input's result comes back, or the error's last line."""
    try:
        found = np.array(call([inputs[number]])[0])
    except RuntimeError as error:
        return str(error).splitlines()[-1]
    equal = [n for n, one in enumerate(alone) if np.array_equal(one, found)]
    return equal[0] if equal else "nobody's"


def asked(make_call):
    """Number asked for -> what came, of four threads' calls."""
    with ThreadPoolExecutor(4) as threads:
        numbers = [*range(len(inputs))] * 20
        return [*zip(numbers, threads.map(lambda n: ask(make_call(), n), numbers))]


print("openvino", openvino.__version__)
own = asked(lambda: compiled.create_infer_request().infer)
shared, others = [], 0
while not others and len(shared) < 50_000:  # it is rare on few cores
    shared += asked(lambda: compiled)
    others = sum(isinstance(came, int) and came != number for number, came in shared)
busy = sum(came == "Infer Request is busy" for _, came in shared)
right = sum(came == number for number, came in shared)
print(f"of {len(shared)} calls in four threads: {busy} say that the request is busy, {right} are right,")
print(f"{others} give another input's result, {len(shared) - busy - right - others} something else")
print(f"with a request of its own for each call {sum(n == came for n, came in own)} of {len(own)} are right")
sys.exit(0 if busy and others and all(n == came for n, came in own) else 1)
PY
