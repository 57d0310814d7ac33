#!/bin/sh
# torch's antialiased bilinear resize works one axis after the other, so that resizing both sides at
# once is resizing one and then the other. Where the result is one column wide and has another height
# than the source, the CPU's answer is another one, in float and in double alike; one row high is right.
# A thin object's map resized to a strip is silently wrong.
#
# Versions: torch 2.9.1 (and 2.15.0) (CPU kernels), Pillow 13.0.0 as a judge.
# Expected: at once, one after the other, and Pillow agree to rounding.
# Seen: for widths of 1 they differ by 0.1 of a range of 1; for widths of 2 and more they agree.
#
# Exits with 0 while that is so, with 1 once it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.9.1 pillow==13.0.0 numpy==2.3.4
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

print("torch", torch.__version__)
source = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def resized(image, size):
    return F.interpolate(image, size, mode="bilinear", antialias=True)


def largest_difference(height, width):
    at_once = resized(source, (height, width))
    in_turn = resized(resized(source, (height, 32)), (height, width))
    picture = Image.fromarray(source[0, 0].numpy()).resize((width, height), Image.Resampling.BILINEAR)
    judge = torch.from_numpy(np.asarray(picture).copy())[None, None]
    found = (at_once - in_turn).abs().max().item(), (in_turn - judge).abs().max().item()
    print(f"{height} x {width}: at once against in turn {found[0]:.6f}, in turn against Pillow {found[1]:.6f}")
    return found


wrong = [largest_difference(*size) for size in ((33, 1), (40, 1), (64, 1))]
right = [largest_difference(*size) for size in ((32, 1), (1, 33), (33, 2), (40, 3))]
still = all(a > 0.05 and b < 1e-5 for a, b in wrong) and all(a < 1e-5 and b < 1e-5 for a, b in right)
sys.exit(0 if still else 1)
PY
