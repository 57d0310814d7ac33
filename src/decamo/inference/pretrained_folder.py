"""A trained network as a folder to give away: safetensors, ``config.json``, a model card."""

import json
from pathlib import Path

import huggingface_hub
import safetensors.torch
import torch

from decamo import __version__
from decamo.errors import CheckpointForeign, CheckpointMissing
from decamo.inference.loaded import Loaded, Trained
from decamo.nn import network_of
from decamo.nn.segmentation_network import Architecture
from decamo.nn.weights import load_fitting
from decamo.storage import make_folder, write_whole
from decamo.storage.checkpoint_structure import validate_architecture
from decamo.storage.outputs import Read, Written, check_outputs

__all__ = ["CONFIG", "HUB", "WEIGHTS", "from_hub", "is_pretrained_folder", "load_folder",
           "save_folder"]  # fmt: skip

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
HUB = "hf://"
_FORMAT = 1
_TIMEOUT = 10.0  # seconds for the hub's first answer
_REMEDY = "name a folder that Model.save_pretrained wrote"


def is_pretrained_folder(path: Path) -> bool:
    """Whether it is a folder with a network's configuration and weights."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def save_folder(loaded: Loaded, folder: Path, *, name: str, licence: str, source: Path) -> None:
    """Write a network for others.

    Args:
        loaded: the network and what is known of it.
        folder: made where it is missing; files of these names are replaced.
        name: of the model, for its card.
        licence: identifier such as ``apache-2.0``, for its card; empty where not stated.
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
    write_whole(files[2], _card(loaded, name, licence).encode())


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


def from_hub(name: str) -> Path:
    """The folder of a model on the Hugging Face hub, fetched once and kept by the hub's client.

    Args:
        name: ``hf://USER/NAME``, with ``@REVISION`` for another than the newest.

    Raises:
        CheckpointMissing: the hub cannot be reached, or has no such model.
    """
    repository, _, revision = name.removeprefix(HUB).partition("@")
    try:
        folder = huggingface_hub.snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=[CONFIG, WEIGHTS, CARD],
            etag_timeout=_TIMEOUT,
        )
    except Exception as error:  # the hub's client changed its HTTP library twice, and may again
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointMissing(
            name, f"cannot be had from the hub ({reason:.160})", "check its name, or give a folder"
        ) from error
    return Path(folder)


def _read_config(path: Path) -> tuple[Architecture, Trained]:
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointMissing(path, "no such file", _REMEDY) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointForeign(path, f"not JSON ({error})", _REMEDY) from error
    if not isinstance(plain, dict) or plain.get("format") != _FORMAT:
        raise CheckpointForeign(path, "not written by decamo, or by a later one", _REMEDY)
    validate_architecture(path, plain.get("architecture"))
    try:
        return dict(plain["architecture"]), Trained.from_plain(plain)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointForeign(
            path, f"a field is missing or of another type ({error})", _REMEDY
        ) from (error)


def _card(loaded: Loaded, name: str, licence: str) -> str:
    held = sum(known.held for known in loaded.images.images)
    trained = len(loaded.images.images) - held
    score = "not measured" if loaded.best_iou is None else f"{loaded.best_iou:.4f}"
    head = ["---", "library_name: decamo", "pipeline_tag: image-segmentation"]
    if licence:
        head.append(f"license: {licence}")
    lines = [
        *head,
        "tags: [camouflaged-object-detection]",
        "---",
        "",
        f"# {name}",
        "",
        f"Segments camouflaged objects: {loaded.model.title}, {loaded.weights} weights of epoch"
        f" {loaded.epoch}, for images resized to {loaded.img_size} x {loaded.img_size} px.",
        "",
        "```python",
        "import decamo",
        "",
        'decamo.load("PATH_OF_THIS_FOLDER").predict("photo.jpg").save("maps")',
        "```",
        "",
        f"- **Trained on** {trained} images, {held} more held out; content {loaded.images.content}."
        if trained
        else "- **Trained on** images that it does not name.",
        f"- **Best validation IoU** {score}: mean per image at native size, threshold 0.5, on the"
        " held-out images, by which this epoch was chosen. No test score is stated here.",
        "- **Lineage** " + "; ".join(loaded.lineage) + ".",
        f"- **Licence** {licence or 'not stated'}.",
        f"- Written by decamo {__version__}. Nothing here is executed when it is loaded.",
        "",
    ]
    return "\n".join(lines)
