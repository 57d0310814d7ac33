"""Weights that timm publishes: whether they can be had, and loading them."""

import sys
import warnings
from collections.abc import Mapping
from typing import Any

import huggingface_hub
import timm
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from torch import nn

from decamo.errors import WeightsUnavailable
from decamo.nn.packaged_weights import PACKAGES, packaged_weights, pip_remedy
from decamo.nn.weights import REMEDY, fit_tables

__all__ = ["check_pretrained", "load_pretrained", "published"]

PROBE_SECONDS = 5.0
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


class _HubUnreachable(WeightsUnavailable):
    """Published weights are not on this machine and cannot be fetched."""


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

    Where the hub is out of reach and pip has installed a package of the network's weights, those
    are loaded, and a line on standard error says so.

    Args:
        net: timm's feature extractor, changed in place.
        name: timm's name of it.
        options: that it was made with, beside ``features_only``.

    Raises:
        WeightsUnavailable: they cannot be had, or do not fit the size it was built for.
    """
    try:
        _load_published(net, name, options)
    except _HubUnreachable as error:
        packaged = packaged_weights(name)
        if packaged is None:
            remedy = f"{pip_remedy(name)}; or {error.remedy}"
            raise WeightsUnavailable(error.what, error.got, remedy) from error
        net.load_state_dict({key: packaged[key] for key in net.state_dict()})
        package = PACKAGES[name]
        source = f"{package.name} {package.version}".strip()
        sys.stderr.write(f"decamo: {error.got}: taken from the installed package {source}\n")


def _load_published(net: nn.Module, name: str, options: Mapping[str, Any]) -> None:
    check_pretrained(name)
    try:
        with warnings.catch_warnings():
            # timm interpolates with an indexing that torch calls deprecated
            warnings.simplefilter("ignore", UserWarning)
            source = _source(name, options)
        net.load_state_dict(fit_tables(source.state_dict(), net.state_dict()))
    except Exception as error:  # network, disk, hub and archive have a family of errors each
        misfit = isinstance(error, RuntimeError)  # of torch, on shapes that differ
        raise (WeightsUnavailable if misfit else _HubUnreachable)(
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
    return _HubUnreachable(
        "--pretrained", f"the weights of {name} cannot be downloaded ({reason[0]:.120})", REMEDY
    )
