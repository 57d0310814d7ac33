#!/bin/sh
# pysodmetrics' time for an image depends on what its process freed before, whatever that was.
#
# Its measures make and drop arrays of about a megabyte. glibc takes arrays of 128 KiB and more from the kernel, page
# by page, and hands the top of its heap back, until the process has once freed a larger block: from then on both
# limits are at least as high as that block. So in a process that has done nothing else each image of 384 x 384 px is computed
# on some two thousand pages that the kernel fills with zeros first, and after `import timm`, or one dropped array of
# 24 MiB, on none. A benchmark that times the same suite by itself, and in a program that has imported more, finds
# a quarter to a third more for the former.
#
# Versions: pysodmetrics 1.6.2, numpy 2.2.6, Linux with glibc.
# Expected: the same pages, and time, an image.
# Seen: 2,233 page faults an image, and none; 26.7 ms of CPU, and 19.7, beside other work.
#
# Exits with 0 while that is so, with 1 once it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pysodmetrics==1.6.2 numpy==2.2.6
cat > "$folder/faults.py" <<'PY'
import resource
import sys
import time

import numpy as np
import py_sod_metrics as toolbox

rng = np.random.default_rng(0)
y, x = np.mgrid[:384, :384] - 192
mask = np.where(np.hypot(y, x) < 80, 255, 0).astype(np.uint8)
grey = rng.integers(0, 256, mask.shape, dtype=np.uint8)
if sys.argv[1] == "after a larger array":
    np.ones(24 * 2**20, np.uint8)


def image():
    for suite in (toolbox.Smeasure(), toolbox.Emeasure(), toolbox.WeightedFmeasure(), toolbox.MAE()):
        suite.step(grey, mask)


image()
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time()
for _ in range(20):
    image()
spent = (time.process_time() - start) / 20
faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20
print(f"{sys.argv[1]}: {faults:.0f} page faults and {1000 * spent:.1f} ms an image", file=sys.stderr)
print(round(faults))
PY
cd "$folder"
unset MALLOC_TRIM_THRESHOLD_ MALLOC_MMAP_THRESHOLD_ GLIBC_TUNABLES
fresh=$("$folder/venv/bin/python" -W ignore faults.py "in a fresh process")
after=$("$folder/venv/bin/python" -W ignore faults.py "after a larger array")
if [ "$fresh" -gt 500 ] && [ "$after" -lt 50 ]; then
    echo "as described"
else
    echo "CHANGED"
    exit 1
fi
