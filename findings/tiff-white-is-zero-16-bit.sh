#!/bin/sh
# Pillow turns black and white round in a TIFF whose PhotometricInterpretation is 0 (WhiteIsZero)
# where it has 1 to 8 bits, and not where it has 16: such a photograph or mask is read as its own
# negative, without a word. OpenCV does the same.
#
# Versions: Pillow 12.0.0, opencv-python-headless 4.12.0.88, tifffile 2025.10.16, numpy 2.2.6.
# Expected (TIFF 6.0, "PhotometricInterpretation": 0 is imaged as white): white, 0, reads as the
# greatest level with 16 bits as it does with 8.
# Seen: 8 bits: 0 -> 255; 16 bits: 0 -> 0.
#
# Exits with 0 while that is so, with 1 once it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet \
    pillow==12.0.0 opencv-python-headless==4.12.0.88 tifffile==2025.10.16 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys

import cv2
import numpy as np
import PIL
import tifffile
from PIL import Image

print("Pillow", PIL.__version__, "OpenCV", cv2.__version__)
read = {}
for dtype in (np.uint8, np.uint16):
    bits = np.iinfo(dtype).bits
    tifffile.imwrite("a.tif", np.array([[0, np.iinfo(dtype).max]], dtype), photometric="miniswhite")
    with Image.open("a.tif") as picture:
        read["Pillow", bits] = np.asarray(picture).tolist()
    read["OpenCV", bits] = cv2.imread("a.tif", cv2.IMREAD_UNCHANGED).tolist()
for (library, bits), values in read.items():
    print(f"{library}, {bits} bits: stored [0, {2**bits - 1}] (white, black), read {values[0]}")
same = all(read[library, 8] == [[255, 0]] for library in ("Pillow", "OpenCV"))
same &= all(read[library, 16] == [[0, 65535]] for library in ("Pillow", "OpenCV"))
sys.exit(0 if same else 1)
PY
