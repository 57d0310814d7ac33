"""Weights that timm publishes: whether they can be had, and loading them."""

import warnings
from collections.abc import Mapping
from typing import Any

import huggingface_hub
import timm
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from torch import nn

from decamo.errors import WeightsUnavailable
from decamo.nn.weights import REMEDY, fit_tables

__all__ = ["check_pretrained", "load_pretrained", "published"]

PROBE_SECONDS = 5.0
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def check_pretrained(name: str) -> None:
    """Find out within seconds whether pretrained weights of a timm model can be had.

    The hub's client retries for three quarters of a minute without a network. One request with
    a short timeout comes first; files that are cached need none.

    Raises:
        WeightsUnavailable: none are published, or the hub cannot be reached.
    """
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if config is None or not config.has_weights:
        raise WeightsUnavailable(
            "--pretrained", f"nobody published weights of {name} for timm", REMEDY
        )
    repository = config.hf_hub_id
    if config.file or config.state_dict or not repository:
        return
    repository, _, revision = repository.partition("@")
    files = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
    if any(_cached(repository, file, revision or None) for file in files):
        return
    url = huggingface_hub.hf_hub_url(repository, files[0], revision=revision or None)
    try:
        huggingface_hub.get_hf_file_metadata(url, timeout=PROBE_SECONDS)
    except LocalEntryNotFoundError as error:
        raise _unreachable(name, error) from error
    except EntryNotFoundError:
        return  # the hub answered: the weights lie there under another file name
    except Exception as error:  # the hub's client changed its HTTP library twice, and may again
        raise _unreachable(name, error) from error


def load_pretrained(net: nn.Module, name: str, options: Mapping[str, Any]) -> None:
    """Load the weights that timm publishes.

    Args:
        net: timm's feature extractor, changed in place.
        name: timm's name of it.
        options: that it was made with, beside ``features_only``.

    Raises:
        WeightsUnavailable: they cannot be had, or do not fit the size it was built for.
    """
    check_pretrained(name)
    try:
        with warnings.catch_warnings():
            # timm interpolates with an indexing that torch calls deprecated
            warnings.simplefilter("ignore", UserWarning)
            source = _source(name, options)
        net.load_state_dict(fit_tables(source.state_dict(), net.state_dict()))
    except Exception as error:  # network, disk, hub and archive have a family of errors each
        raise WeightsUnavailable(
            "--pretrained", f"the weights of {name} cannot be had ({error})", REMEDY
        ) from error


def _source(name: str, options: Mapping[str, Any]) -> nn.Module:
    """The network with its weights, for the size asked for where timm can make them fit."""
    native = {key: value for key, value in options.items() if key != "img_size"}
    try:
        return timm.create_model(name, features_only=True, pretrained=True, **options)
    except RuntimeError:  # of torch, on shapes that differ
        if native == options:
            raise
        return timm.create_model(name, features_only=True, pretrained=True, **native)


def published(name: str) -> tuple[str, bool]:
    """Name of the weights that timm loads for a model, and whether they are on this machine.

    Returns:
        ``("", False)`` where nobody published any. No network is asked.
    """
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if config is None or not config.has_weights:
        return "", False
    tag = f"{config.architecture}.{config.tag}" if config.tag else str(config.architecture)
    if config.file or config.state_dict:
        return tag, True
    repository, _, revision = (config.hf_hub_id or "").partition("@")
    files = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
    here = bool(repository) and any(_cached(repository, f, revision or None) for f in files)
    return tag, here


def _cached(repository: str, file: str, revision: str | None) -> bool:
    hit = huggingface_hub.try_to_load_from_cache(repository, file, revision=revision)
    return isinstance(hit, str)


def _unreachable(name: str, error: Exception) -> WeightsUnavailable:
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return WeightsUnavailable(
        "--pretrained", f"the weights of {name} cannot be downloaded ({reason[0]:.120})", REMEDY
    )
