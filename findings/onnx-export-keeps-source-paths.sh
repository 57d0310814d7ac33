#!/bin/sh
# torch.onnx.export (dynamo, the default) writes a stack trace into the metadata of every node of the
# model: folders, files, line numbers and the text of source lines of the machine that exported it.
# Whoever publishes the file publishes the exporter's user name, project folders and lines of code that
# may be private, and it makes a good part of a small model's bytes.
#
# Versions: torch 2.9.1 (and 2.15.0), onnx 1.23.2, onnxscript 0.7.2.
# Expected: a graph with weights and names.
# Seen: the path of the exporting script and its source lines in each node's metadata_props.
#
# Exits with 0 while that is so, with 1 once it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.9.1 onnx==1.23.2 onnxscript==0.7.2
mkdir "$folder/private-client-name"
cd "$folder/private-client-name"
cat > export.py <<'PY'
import sys

import onnx
import torch
from torch import nn

print("torch", torch.__version__, "onnx", onnx.__version__)


class Net(nn.Module):
    def forward(self, x):
        return torch.relu(x) * 2  # a remark of the author's


torch.onnx.export(Net().eval(), (torch.rand(1, 3, 8, 8),), "net.onnx", dynamo=True, verbose=False)
model = onnx.load("net.onnx")
told = [p.value for node in model.graph.node for p in node.metadata_props]
path = sum("private-client-name/export.py" in value for value in told)
code = sum("torch.relu(x) * 2" in value for value in told)
print(f"{len(model.graph.node)} nodes; values with the script's path: {path}, with its source line: {code}")
print(f"bytes of the file {len(model.SerializeToString())}, of its traces {sum(map(len, told))}")
sys.exit(0 if path and code else 1)
PY
"$folder/venv/bin/python" export.py
