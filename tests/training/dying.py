"""Not a test: ``decamo``, of which one process kills itself once, at a named place.

torchrun ... dying.py PLACE RANK train FLAGS...
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import decamo.api.training as api
from decamo.cli import main
from decamo.training.checkpoint_manager import CheckpointManager
from decamo.training.peers import Peers
from decamo.training.runtime import Runtime
from decamo.training.validation import Validator

# Place -> owner of the function before whose call so many a process dies.
PLACES: dict[str, tuple[Any, str, int]] = {
    "data": (api, "find_splits", 1),
    "first save": (CheckpointManager, "save", 1),
    "step": (Runtime, "sum_gradients", 3),
    "save": (CheckpointManager, "save", 3),
    "best": (CheckpointManager, "_promote", 1),
    "validation": (Validator, "_score", 3),
    "gather": (Runtime, "gather", 3),
    "end": (Peers, "part", 1),
}


def dying(before: Callable[..., Any], at: int) -> Callable[..., Any]:
    """A function at whose call number ``at`` the process is killed."""
    calls = []

    def call(*args: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return before(*args, **named)

    return call


def die_once(place: str, rank: str) -> None:
    """Let the process of this rank be killed there, unless torchrun has started it before."""
    first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if first and rank == os.environ["RANK"]:
        owner, name, at = PLACES[place]
        setattr(owner, name, dying(getattr(owner, name), at))


if __name__ == "__main__":
    place, rank, *words = sys.argv[1:]
    die_once(place, rank)
    sys.exit(main(words))
