"""Promises held against measurement: branches of stalled runs of several seeds, compared in pairs.

What needs torch (`stalled`, `study`, `memory`) is taken from its own module, as is `paired`, which
needs scipy.
"""

from decamo.escape.proof.arms import arms
from decamo.escape.proof.promises import PROMISES, Promise

__all__ = ["PROMISES", "Promise", "arms"]
