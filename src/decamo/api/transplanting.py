"""The backbone of another network in ours: what is asked for by ``--transplant``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from decamo.checkpoint.load_save import load_checkpoint, read_outline
from decamo.errors import CheckpointForeign, SettingsError, WeightsUnavailable
from decamo.nn.build import is_own
from decamo.nn.transplant import backbone_in
from decamo.settings.network_names import OWN_NETWORK, NetworkKind
from decamo.settings.plain import merged
from decamo.storage.foreign_file import read_foreign
from decamo.storage.sealed import is_sealed
from decamo.training.choosing import Given

__all__ = ["known_backbone", "transplanting"]


def transplanting(given: Given, path: Path, say: Callable[[str], None]) -> Given:
    """Options of a new run of our own network on the backbone of another one.

    What is given wins. The other network is the teacher where it can be built: its checkpoint was
    adopted, and a network from a file is named by ``teacher_network``.

    Args:
        given: options.
        path: any checkpoint of the other network.
        say: takes a line for people.

    Raises:
        SettingsError: another network is asked for.
        CheckpointError: the file cannot be read.
        WeightsUnavailable: its backbone is none that is known.
    """
    model, optimise = given.get("model", {}), given.get("optimise", {})
    if model.get("network", OWN_NETWORK) != OWN_NETWORK:
        raise SettingsError(
            "--transplant", f"got --network {model['network']} beside it",
            "leave that out: the network is decamo's own, and the old one is --teacher-network",
        )  # fmt: skip
    architecture, weights = _held(path)
    name = model.get("backbone") or known_backbone(architecture, weights)
    if not name:
        raise WeightsUnavailable(
            path, "its backbone is none of those tried", "name it by --backbone (decamo models)"
        )
    taken: dict[str, Any] = {"network": OWN_NETWORK, "backbone": name, "backbone_weights": path}
    taken |= {key: architecture[key] for key in ("input_mean", "input_std") if key in architecture}
    teacher = {} if "teacher" in optimise else _teacher(architecture, optimise, path)
    follows = "; it follows the old network's maps" if teacher else ""
    begin = f"experts and decoder begin anew, in stage 1{follows}"
    say(f"transplant: {name} out of {path.name}; {begin}")
    if not teacher and "teacher" not in optimise:
        say(
            "no teacher: the old network can be one once its checkpoint is adopted (decamo adopt)"
            " and, where it comes from a file, named by --teacher-network FILE.py:FUNCTION"
        )
    return merged({"model": taken, "optimise": teacher}, given)


def known_backbone(architecture: Mapping[str, Any], weights: Mapping[str, Tensor]) -> str:
    """Timm's name of a foreign network's backbone; empty where it is not known.

    Args:
        architecture: as its checkpoint here has it; may be empty.
        weights: of the network.
    """
    told = str(architecture.get("backbone") or "").removeprefix("tu-")
    return backbone_in(weights, told)


def _held(path: Path) -> tuple[Mapping[str, Any], Mapping[str, Tensor]]:
    """A foreign network's description, empty where nobody wrote one, and its weights."""
    try:
        architecture = read_outline(path).architecture
    except CheckpointForeign:
        if is_sealed(path):
            raise
        return {}, read_foreign(path).weights
    return ({} if is_own(architecture) else architecture), load_checkpoint(path).weights


def _teacher(
    architecture: Mapping[str, Any], optimise: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    named = architecture.get("kind") != NetworkKind.FILE.value or optimise.get("teacher_network")
    return {"teacher": path} if architecture and named else {}
