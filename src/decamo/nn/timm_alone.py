"""Imports timm without Weights & Biases, which it loads wherever that is installed.

That takes a process a second of its start; timm needs it for a logger of its own training script.
"""

import sys

__all__: list[str] = []

if "timm" not in sys.modules and "wandb" not in sys.modules:
    sys.modules["wandb"] = None  # type: ignore[assignment]
    try:
        import timm  # noqa: F401
    finally:
        del sys.modules["wandb"]
