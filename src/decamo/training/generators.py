"""torch's global generators: their states, and putting them back."""

from typing import Any

import torch

__all__ = ["generator_states", "restore_generators"]


def generator_states() -> dict[str, Any]:
    """The state of the CPU's generator and of each GPU's, as tensors."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def restore_generators(states: dict[str, Any]) -> None:
    """The inverse of :func:`generator_states`; the GPUs' only where there are as many."""
    torch.set_rng_state(states["cpu"])
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
