#!/bin/sh
# timm keeps the attention biases of LeViT, TinyViT and EfficientFormer from the first forward pass
# in eval mode until the model is next put into training mode. Weights that are loaded or averaged in
# between take no effect on them, without a word: a model in eval mode that is given a checkpoint
# answers with the old biases, and timm's own ModelEmaV3, which stays in eval mode for ever, answers
# with those of its first validation to the end of the run. Its state dict is right all along.
#
# Versions: timm 1.0.31, torch 2.9.1.
# Expected: the same output as a new model with the same state dict.
# Seen: one that differs by 0.02 to 0.3 of its standard deviation, until .train().eval() is called.
#
# Exits with 0 while that is so, with 1 once it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet timm==1.0.31 torch==2.9.1 torchvision==0.24.1
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys

import timm
import torch
from timm.utils import ModelEmaV3

print("timm", timm.__version__, "torch", torch.__version__)
torch.manual_seed(0)
image = torch.rand(1, 3, 224, 224)


@torch.no_grad()
def look_trained(model):
    """Biases drawn anew, and no branch shut by a scale of about 0, as it is at first."""
    for name, parameter in model.named_parameters():
        if "attention_biases" in name:
            parameter.normal_(std=4)
        elif parameter.ndim == 1 and name.endswith(("weight", "gamma")):
            parameter.fill_(1)


@torch.no_grad()
def furthest(one, other):
    right = other(image)
    return ((one(image) - right).abs().max() / right.std()).item()


def same_weights(model, name):
    new = timm.create_model(name, num_classes=10).eval()
    new.load_state_dict(model.state_dict())
    return new


stale = True
for name in ("levit_128s", "tiny_vit_5m_224", "efficientformer_l1"):
    model = timm.create_model(name, num_classes=10).eval()
    ema = ModelEmaV3(model, decay=0.5)
    furthest(model, ema.module)  # a forward pass each, as a first validation is
    trained = timm.create_model(name, num_classes=10).eval()
    look_trained(trained)
    model.load_state_dict(trained.state_dict())
    for _ in range(60):
        ema.update(trained)
    loaded = furthest(model, same_weights(model, name))
    averaged = furthest(ema.module, same_weights(ema.module, name))
    model.train().eval()
    after = furthest(model, same_weights(model, name))
    print(f"{name}: load_state_dict {loaded:.4f}, ModelEmaV3 {averaged:.4f}, after train() {after:.4f}")
    stale = stale and loaded > 1e-3 and averaged > 1e-3 and after == 0
sys.exit(0 if stale else 1)
PY
