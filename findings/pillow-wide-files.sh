#!/bin/sh
# Pillow reads three kinds of valid TIFF as other numbers than they hold, without a word:
# RGB of 16 bits whose channels are stored one after the other (PlanarConfiguration 2), of which it
# takes each channel's bytes for pixels of 8 bits; signed numbers of 8 bits, which it takes for
# unsigned ones; and unsigned numbers of 32 bits, which it takes for signed ones.
#
# Versions: Pillow 12.0.0, tifffile 2025.10.16, numpy 2.2.6; Pillow 13.0.0 does the same.
# Expected (TIFF 6.0): the numbers that were written (or their upper 8 bits), or an error.
# Seen: planes of [4096 4097 4098 4099] read as [0 16 1 16] where the upper bytes are 16;
# -50 as 206; 4000000000 as -294967296.
#
# Exits with 0 while that is so, with 1 once it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==12.0.0 tifffile==2025.10.16 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import PIL
import tifffile
from PIL import Image

print("Pillow", PIL.__version__)
planes = np.tile(np.arange(4096, 4100, dtype="<u2"), (3, 1, 1))
tifffile.imwrite("planes.tif", planes, photometric="rgb", planarconfig="separate", byteorder="<")
tifffile.imwrite("signed.tif", np.array([[-50]], np.int8))
tifffile.imwrite("unsigned.tif", np.array([[4_000_000_000]], np.uint32))
stored = {"planes": planes[0, 0].tolist(), "signed": [-50], "unsigned": [4_000_000_000]}
read = {}
for name in stored:
    with Image.open(f"{name}.tif") as picture:
        values = np.asarray(picture)
    read[name] = (values[..., 0] if values.ndim == 3 else values)[0].tolist()
    print(f"{name}: stored {stored[name]}, read {read[name]}")
same = read == {"planes": [0, 16, 1, 16], "signed": [206], "unsigned": [-294_967_296]}
sys.exit(0 if same else 1)
PY
