"""A trained network as a folder to give away: safetensors, ``config.json``, a model card."""

import json
from pathlib import Path

import safetensors.torch
import torch

from decamo import __version__
from decamo.errors import CheckpointForeign, CheckpointMissing
from decamo.inference.loaded import Loaded, Trained
from decamo.inference.model_card import Card, card_text
from decamo.nn import network_of
from decamo.nn.segmentation_network import Architecture
from decamo.nn.weights import load_fitting
from decamo.storage import make_folder, write_whole
from decamo.storage.checkpoint_structure import validate_architecture
from decamo.storage.outputs import Read, Written, check_outputs

__all__ = [
    "CARD",
    "CONFIG",
    "LARGEST",
    "WEIGHTS",
    "is_pretrained_folder",
    "load_folder",
    "save_folder",
]

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
LARGEST = {CONFIG: 2**26, WEIGHTS: 2**34}
"""Bytes beyond which a file is not what it should be; a configuration has 0.1 kB an image."""

_FORMAT = 1
_FIELDS = {"format", "decamo", "architecture", *Trained.__dataclass_fields__}
_REMEDY = "name a folder that Model.save_pretrained wrote"


def is_pretrained_folder(path: Path) -> bool:
    """Whether it is a folder with a network's configuration and weights."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def save_folder(loaded: Loaded, folder: Path, card: Card, source: Path) -> None:
    """Write a network for others.

    Args:
        loaded: the network and what is known of it.
        folder: made where it is missing; files of these names are replaced.
        card: what its page says beyond what is known of it.
        source: where it was loaded from; never written over.

    Raises:
        SettingsError: a file would replace the one it was loaded from.
        StorageError: a file cannot be written.
    """
    files = [folder / one for one in (CONFIG, WEIGHTS, CARD)]
    check_outputs([Read("checkpoint", source)], [Written("folder", one) for one in files])
    make_folder(folder)
    config = {
        "format": _FORMAT,
        "decamo": __version__,
        "architecture": dict(loaded.model.architecture),
        **loaded.to_plain(),
    }
    state = {k: v.detach().cpu().contiguous() for k, v in loaded.model.state_dict().items()}
    write_whole(files[1], safetensors.torch.save(state, {"format": "pt"}))
    write_whole(files[0], (json.dumps(config, indent=1) + "\n").encode())
    write_whole(files[2], card_text(loaded, card).encode())


def load_folder(folder: Path, network: str = "") -> Loaded:
    """Build the network of a folder and load its weights; nothing in it is executed.

    Args:
        folder: that :func:`save_folder` wrote.
        network: ``FILE.py:FUNCTION``, where its network comes from a file; else passed over.

    Raises:
        CheckpointError: a file is missing, damaged, or of another network.
    """
    architecture, trained = _read_config(folder / CONFIG)
    path = folder / WEIGHTS
    try:
        weights: dict[str, torch.Tensor] = safetensors.torch.load_file(path)
    except Exception as error:  # safetensors has errors of its own kind
        raise CheckpointForeign(path, f"not a safetensors file ({error})", _REMEDY) from error
    model = network_of(architecture, folder, network=network, size=trained.img_size)
    load_fitting(model, weights, path)
    return Loaded(**vars(trained), model=model.eval())


def _read_config(path: Path) -> tuple[Architecture, Trained]:
    try:
        if path.stat().st_size > LARGEST[CONFIG]:
            raise CheckpointForeign(path, f"is larger than {LARGEST[CONFIG]} bytes", _REMEDY)
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointMissing(path, "no such file", _REMEDY) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointForeign(path, f"not JSON ({error})", _REMEDY) from error
    if not isinstance(plain, dict) or plain.get("format") != _FORMAT:
        raise CheckpointForeign(path, "not written by decamo, or by a later one", _REMEDY)
    if unknown := sorted(set(plain) - _FIELDS):
        listed = ", ".join(f"{name:.40}" for name in unknown[:3])
        raise CheckpointForeign(path, f"has fields that nothing here knows: {listed}", _REMEDY)
    validate_architecture(path, plain.get("architecture"))
    try:
        return dict(plain["architecture"]), Trained.from_plain(plain)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointForeign(
            path, f"a field is missing or of another type ({error})", _REMEDY
        ) from error
