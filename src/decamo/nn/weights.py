"""Weights from files and checkpoints: whether they are the network's, and made to fit its size."""

import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from math import isqrt
from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from decamo.errors import CheckpointForeign, CheckpointMismatch, WeightsUnavailable
from decamo.nn.segmentation_network import TorchModule

__all__ = [
    "REMEDY",
    "backbone_fits",
    "fit_tables",
    "load_fitting",
    "load_weights_file",
    "named",
]


def fit_tables(values: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Interpolate tables of positions to the shapes that a network has.

    As the authors of MViTv2 do (arXiv:2112.01526, their ``get_rel_pos``); timm does it for other
    networks when it loads them. What is no such table stays as it is.

    Args:
        values: name -> weights.
        wanted: name -> weights of the network; only their shapes matter.
    """
    found = dict(values)
    for name, value in values.items():
        target = wanted.get(name)
        if target is None or target.shape == value.shape:
            continue
        if name.endswith("pos_embed") and value.ndim == target.ndim == 3:
            found[name] = _spread(value, target.shape[1])
        if value.ndim != 2:
            continue
        if name.endswith("attention_bias_idxs"):
            found[name] = target  # where in the table each pair of positions looks
        elif "rel_pos" in name and value.shape[1] == target.shape[1]:
            found[name] = _lengthened(value, target.shape[0])
        elif "attention_bias" in name and value.shape[0] == target.shape[0]:
            found[name] = _widened(value, target.shape[1])
    return found


def _lengthened(table: Tensor, length: int) -> Tensor:
    """``[L,C]`` of offsets -(n-1) to n-1 -> ``[length,C]``, linear."""
    row = table.t()[None].float()
    return F.interpolate(row, size=length, mode="linear")[0].t().to(table.dtype)


def _spread(embedding: Tensor, count: int) -> Tensor:
    """``[1,n*n,C]`` of positions -> ``[1,count,C]``, bicubic, where both are square."""
    side, wider = isqrt(embedding.shape[1]), isqrt(count)
    if side**2 != embedding.shape[1] or wider**2 != count:
        return embedding
    return resample_abs_pos_embed(embedding, [wider, wider], [side, side], num_prefix_tokens=0)


def _widened(table: Tensor, count: int) -> Tensor:
    """``[heads,n*n]`` of distances along both sides -> ``[heads,count]``, where that is square."""
    side, wider = isqrt(table.shape[1]), isqrt(count)
    if side**2 != table.shape[1] or wider**2 != count:
        return table
    square = table.reshape(1, -1, side, side).float()
    resized = F.interpolate(square, size=(wider, wider), mode="bilinear", align_corners=True)
    return resized.reshape(-1, count).to(table.dtype)


_MOST_NAMED = 5


def load_fitting(network: TorchModule, weights: Mapping[str, Tensor], what: object) -> None:
    """Load weights by name; on an error the network is unchanged.

    Args:
        network: changed in place.
        weights: name -> values, parameters and buffers.
        what: the file or flag that the weights came by, for the error.

    Raises:
        CheckpointMismatch: names up to five weights that are missing, unknown to the network, or
            of another shape.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in weights]
    unknown = [name for name in weights if name not in wanted]
    misfit = [n for n, w in weights.items() if n in wanted and w.shape != wanted[n].shape]
    told = [
        f"{words} {named(names)}"
        for words, names in (
            ("it lacks", missing),
            ("the network has no", unknown),
            ("of another shape are", misfit),
        )
        if names
    ]
    if told:
        raise CheckpointMismatch(
            what,
            f"its weights are not those of the network: {'; '.join(told)}",
            _remedy(network),
        )
    network.load_state_dict(weights)


def _remedy(network: TorchModule) -> str:
    changed: str = getattr(network, "changed", "")
    if changed:
        return f"{changed}: give the file as it was then"
    return "use it with the flags and the version of decamo that it was trained with"


def named(names: Iterable[str]) -> str:
    """Up to five names, and how many more there are."""
    listed = [name[:80] for name in names]
    more = len(listed) - _MOST_NAMED
    return ", ".join(listed[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


REMEDY = "give --backbone-weights FILE, or --no-pretrained to start from random weights"
PREFIXES = ("module.", "net.", "network.", "model.", "backbone.", "encoder.")
TOP_SEQUENTIAL = re.compile(r"^([A-Za-z]\w*)\.(\w+)\.")


def load_weights_file(
    net: nn.Module, path: Path, name: str = "", options: Mapping[str, Any] | None = None
) -> None:
    """Load a state dict from a file into a feature extractor; nothing in the file is executed.

    The file may be another program's whole checkpoint (:func:`read_foreign`), and its keys may
    carry any of :data:`PREFIXES`; of a whole network the backbone is taken. Keys that the feature
    extractor lacks (a classifier) are left out. Where the names are those of a network's
    own repository, or position embeddings have another size, timm's remapping of that network is
    tried, and tables of relative positions are interpolated.

    Args:
        net: timm's feature extractor, changed in place.
        path: ``.safetensors``, or anything that ``torch.save`` wrote.
        name: timm's name of the network, for its remapping.
        options: that it was made with, beside ``features_only``.

    Raises:
        WeightsUnavailable: no such file, not a state dict, or a key is missing or of another
            shape; then ``net`` is unchanged.
    """
    whole = _read(path)
    content = _tensors(_of_backbone(whole))
    wanted = net.state_dict()
    found = _by_name(content)
    absent, misfit = _differing(found, wanted)
    if absent or misfit:
        other = _by_name(_behind(whole, wanted))
        if not any(_differing(other, wanted)):
            found, absent, misfit = other, [], []
    if (absent or misfit) and name:
        other = fit_tables(_by_name(_remapped(content, name, options or {})), wanted)
        if not any(_differing(other, wanted)):
            found, absent, misfit = other, [], []
    if wrong := misfit + absent:
        kind = "of another shape or missing" if misfit else "missing"
        raise WeightsUnavailable(
            path,
            f"{len(wrong)} of {len(wanted)} weights are {kind}: {', '.join(wrong[:3])}",
            "give a file that was saved from the same --backbone, or --no-pretrained",
        )
    net.load_state_dict({key: found.get(key, value) for key, value in wanted.items()})


def backbone_fits(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    """Whether a feature extractor's tensors are all among a whole network's.

    Args:
        weights: of the network, by its names.
        wanted: the feature extractor's ``state_dict()``; shapes alone count.
    """
    found = _by_name(_tensors(_of_backbone(weights)))
    return not any(_differing(found, wanted)) or not any(
        _differing(_by_name(_behind(weights, wanted)), wanted)
    )


def _behind(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Tensors without what stands before the most names that agree in name and shape."""
    votes: Counter[str] = Counter()
    for name, value in weights.items():
        head, rest = "", name
        while "." in rest:
            first, _, rest = rest.partition(".")
            head += f"{first}."
            here = (wanted[alias] for alias in _aliases(rest) if alias in wanted)
            votes[head] += any(one.shape == value.shape for one in here)
    before = votes.most_common(1)[0][0] if votes else ""
    return {n.removeprefix(before): v for n, v in weights.items() if n.startswith(before)}


def _differing(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> tuple[list[str], list[str]]:
    """Names that are missing, and those of another shape with both shapes."""
    absent, misfit = [], []
    for key, value in wanted.items():
        if key.endswith("num_batches_tracked"):
            continue  # a counter without meaning here; older files lack it
        if key not in found:
            absent.append(key)
        elif found[key].shape != value.shape:
            misfit.append(f"{key} {tuple(found[key].shape)} for {tuple(value.shape)}")
    return absent, misfit


def _remapped(
    content: Mapping[str, Tensor], name: str, options: Mapping[str, Any]
) -> Mapping[str, Tensor]:
    """What timm makes of a state dict when it loads it into the whole network."""
    plain = {key: value for key, value in options.items() if key != "out_indices"}
    with torch.random.fork_rng(devices=[]):
        whole = timm.create_model(name, **plain)
    remap = getattr(sys.modules[type(whole).__module__], "checkpoint_filter_fn", None)
    if remap is None:
        return content
    try:
        with warnings.catch_warnings():
            # timm interpolates with an indexing that torch calls deprecated
            warnings.simplefilter("ignore", UserWarning)
            return _tensors(remap(dict(content), whole))
    except Exception:  # names of something else; what lacks is said by the caller
        return content


def _read(path: Path) -> Mapping[str, Tensor]:
    """A network's tensors under the file's names; where its backbone is is said in a line."""
    if not path.is_file():
        raise WeightsUnavailable(path, "no such file", REMEDY)
    from decamo.storage.foreign_file import read_foreign  # numpy, for files alone: decisions/0007

    try:
        held = read_foreign(path)
    except CheckpointForeign as error:
        raise WeightsUnavailable(
            path, f"not a file of weights that can be loaded safely: {error.got}", error.remedy
        ) from error
    inside = _of_backbone(held.weights)
    first = next(iter(inside))
    before = first.removesuffix(_without_prefixes(first))
    found = [f"under {held.place}"] * bool(held.place) + [f"behind {before}"] * bool(before)
    if found:
        sys.stderr.write(
            f"decamo: {path.name}: the backbone's {len(inside)} tensors are {', '.join(found)}\n"
        )
    return held.weights


def _of_backbone(weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Of a whole network those of its backbone, where their names say which they are."""

    def within(name: str) -> bool:
        before = name.removesuffix(_without_prefixes(name)).split(".")
        return "backbone" in before or "encoder" in before

    return {name: value for name, value in weights.items() if within(name)} or weights


def _by_name(content: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor under every name that a feature extractor may have for it.

    timm's wrapper flattens a top-level ``Sequential`` (``stages.0.`` becomes ``stages_0.``), or
    holds the whole model as ``model``.
    """
    found: dict[str, Tensor] = {}
    for bare, value in content.items():
        for alias in _aliases(bare):
            found[alias] = value
    return found


def _aliases(bare: str) -> tuple[str, ...]:
    return bare, TOP_SEQUENTIAL.sub(r"\1_\2.", bare), f"model.{bare}"


def _tensors(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors alone, their names without prefixes."""
    return {_without_prefixes(str(k)): v for k, v in content.items() if isinstance(v, Tensor)}


def _without_prefixes(key: str) -> str:
    while prefix := next((p for p in PREFIXES if key.startswith(p)), ""):
        key = key.removeprefix(prefix)
    return key
