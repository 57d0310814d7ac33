#!/bin/sh
# A polygon that runs along the edges of a mask's pixels (a square of 10 x 10 px at 5,5 has the corners
# 5,5 15,5 15,15 5,15) is filled by pycocotools to the very pixels. OpenCV's fillPoly, by which YOLO's
# labels are read, and Pillow's polygon, by which LabelMe exports, fill the line too: a row and a column
# more on the right and below, 0.83 IoU here. Polygons of findContours, through pixels' centres, come
# out the other way: exact in OpenCV, smaller in pycocotools. So annotations carried from one
# tool to another grow or shrink by half a pixel or more, and thin objects lose much of their IoU.
# A polygon a quarter of a pixel within the edges is the same mask in all three, as OpenCV's readers and
# Pillow cut corners to whole pixels; a reader that rounds them first still grows it.
#
# Versions: pycocotools 2.0.11, opencv-python-headless 4.12.0.88, Pillow 12.3.0.
# Expected: one polygon, one mask, or at most a difference that does not lean to one side.
# Seen: 100, 121 and 121 px of 100 along the edges; 81, 100 and 100 through the centres;
#   100, 100 and 100 a quarter within, and 121 in OpenCV where corners are rounded.
#
# Exits with 0 while that is so, with 1 once it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pycocotools==2.0.11 opencv-python-headless==4.12.0.88 \
  pillow==12.3.0 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys

import cv2
import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as coco

SIZE = 20
square = np.zeros((SIZE, SIZE), np.uint8)
square[5:15, 5:15] = 1


def by_coco(corners):
    runs = coco.frPyObjects([np.asarray(corners, float).ravel().tolist()], SIZE, SIZE)
    return coco.decode(coco.merge(runs))


def by_opencv(corners):
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(canvas, [np.asarray(corners, float).astype(np.int32)], 1)
    return canvas


def by_pillow(corners):
    canvas = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(canvas).polygon([tuple(map(float, c)) for c in corners], outline=1, fill=1)
    return np.asarray(canvas)


def by_rounding(corners):
    return by_opencv(np.round(np.asarray(corners, float)))


contours, _ = cv2.findContours(square, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
polygons = {
    "along the edges": [(5, 5), (15, 5), (15, 15), (5, 15)],
    "through the centres": contours[0].reshape(-1, 2).tolist(),
    "a quarter within": [(5.25, 5.25), (14.75, 5.25), (14.75, 14.75), (5.25, 14.75)],
}
seen = {}
for name, corners in polygons.items():
    ways = (by_coco, by_opencv, by_pillow, by_rounding)
    seen[name] = [int(way(corners).astype(bool).sum()) for way in ways]
    print(f"{name}: pycocotools {seen[name][0]}, OpenCV {seen[name][1]}, Pillow {seen[name][2]},"
          f" rounded first {seen[name][3]} px of 100")
want = {
    "along the edges": [100, 121, 121, 121],
    "through the centres": [81, 100, 100, 100],
    "a quarter within": [100, 100, 100, 121],
}
sys.exit(0 if seen == want else 1)
PY
