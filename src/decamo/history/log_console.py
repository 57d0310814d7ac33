"""What this project's own console says beside its epoch lines: how a run set out, and with what."""

import re

from decamo.history.series import Stretch

__all__ = ["baseline_of", "setting_out"]

_SET_OUT = re.compile(
    r"(start|continue|extend|branch): epoch (\d{1,7}) to (\d{1,7}), step \d.*?\((.*)\)\s*"
)
_BASELINE = re.compile(r"before epoch \d{1,7}, on the held-out images: IoU ([01]\.\d+)\b")


def setting_out(line: str) -> Stretch | None:
    """The stretch that a line such as ``branch: epoch 87 to 150, step 710 to ...`` begins."""
    match = _SET_OUT.fullmatch(line.strip())
    if match is None or not 1 <= int(match[2]) <= int(match[3]):
        return None
    return Stretch(int(match[2]), match[1], match[4], planned_end=int(match[3]))


def baseline_of(line: str) -> float | None:
    """The IoU, in [0, 1], of the weights set out from, where a line tells it."""
    match = _BASELINE.match(line.strip())
    return float(match[1]) if match and float(match[1]) <= 1 else None
