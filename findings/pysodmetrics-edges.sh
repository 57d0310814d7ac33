#!/bin/sh
# pysodmetrics 1.6.2 at the edges of its protocol: valid input whose score surprises.
#
# Expected by a newcomer, and seen instead:
#   - a mask of 0 and 1, or of type bool, is a mask: it counts as empty (gt > 128), in silence
#   - a perfect map of an object centred in the last row has S-measure 1: NaN, and so the set's mean
#   - a constant map is stretched like any other: it is not, 77 stays 77 / 255
#   - an empty mask where nothing was found is a hit: IoU, Dice, F and adaptive E are 0, S is 1
#   - the middle grey of a map of 0 to 254 is at least a half: IoU takes what is above it, so 0
#   - OpenCV, by which its documentation reads files, keeps a map in an alpha channel: it is dropped
#
# Prints what it sees; exits with 1 if any of it has changed.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q pysodmetrics==1.6.2 numpy==2.2.6 opencv-python-headless==4.12.0.88
cd "$dir"
"$dir/venv/bin/python" -W ignore - <<'P'
import sys

import cv2
import numpy as np
import py_sod_metrics as toolbox


def scores(grey, mask):
    handlers = {
        name: getattr(toolbox, f"{name}Handler")(with_dynamic=True, with_adaptive=True, with_binary=True)
        for name in ("Fmeasure", "IOU", "DICE")
    }
    s, e, mae, f = toolbox.Smeasure(), toolbox.Emeasure(), toolbox.MAE(), toolbox.FmeasureV2(handlers)
    for one in (s, e, mae, f):
        one.step(grey, mask)
    cut = f.get_results()
    return {
        "S": s.get_results()["sm"], "E adaptive": e.get_results()["em"]["adp"],
        "MAE": mae.get_results()["mae"], "F adaptive": cut["Fmeasure"]["adaptive"],
        "IoU": cut["IOU"]["binary"], "Dice": cut["DICE"]["binary"],
    }


square = np.zeros((20, 20), np.uint8)
square[5:12, 5:15] = 255
empty, low = np.zeros_like(square), np.zeros_like(square)
low[-1, 5:15] = 255
middle = np.where(square > 0, 127, 0).astype(np.uint8)
middle[0, 0] = 254
cv2.imwrite("alpha.png", np.dstack([np.full((20, 20, 3), 255, np.uint8), square]))
seen = {
    "mask of 0 and 1": scores(square, square // 255)["IoU"] == 0,
    "mask of type bool": scores(square, square > 0)["IoU"] == 0,
    "object in the last row": bool(np.isnan(scores(low, low)["S"])),
    "constant map, empty mask": round(scores(np.full_like(square, 77), empty)["MAE"], 3) == 0.302,
    "nothing to find, nothing found": [round(v, 3) for v in scores(empty, empty).values()] == [1, 0, 0, 0, 0, 0],
    "middle grey": scores(middle, square)["IoU"] == 0,
    "map in an alpha channel": np.unique(cv2.imread("alpha.png", cv2.IMREAD_GRAYSCALE)).tolist() == [255],
}
for name, as_before in seen.items():
    print(f"{name}: {'as described' if as_before else 'CHANGED'}")
sys.exit(not all(seen.values()))
P
