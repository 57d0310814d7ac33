"""Checkpoints of other programs: read without running anything in them, and understood.

The forms are those of torch's own examples, DataParallel, ``torch.compile``, Lightning, mmengine,
timm and transformers: a state dict, alone or under some name beside an epoch, a best score, the
state of an optimizer and the settings.
"""

import hashlib
import math
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from decamo.errors import CheckpointForeign, CheckpointMissing
from decamo.storage.archive import outline_of
from decamo.storage.foreign_objects import plain
from decamo.storage.foreign_pickle import STAND_INS, look_through
from decamo.storage.pickled import SuspiciousError

__all__ = ["ForeignCheckpoint", "ForeignCosine", "read_foreign"]

_REMEDY = (
    "nothing in it was executed; where it was written, save its weights alone:"
    " torch.save(network.state_dict(), 'weights.pth')"
)
_WEIGHTS = ("model_state_dict", "state_dict", "model", "net", "network", "weights", "params",
            "module", "generator", "student")  # fmt: skip
_AVERAGES = ("ema_state_dict", "model_ema", "state_dict_ema", "ema", "ema_model", "ema_weights",
             "teacher")  # fmt: skip
_OPTIMIZERS = ("optimizer_state_dict", "optimizer", "optimizer_states", "optim", "opt_state")
_SETTINGS = ("args", "config", "hyper_parameters", "cfg", "hparams", "settings", "opt", "options")
_EPOCHS = ("epoch", "epochs_done", "current_epoch", "last_epoch", "start_epoch", "epochs")
_DONE = frozenset(("start_epoch", "epochs_done", "epochs"))  # of the epochs, how many are over
_PLANNED = ("epochs", "max_epochs", "num_epochs", "n_epochs", "total_epochs", "epoch", "max_epoch",
            "epoch_num")  # fmt: skip
_SCHEDULERS = ("scheduler", "scheduler_state_dict", "lr_scheduler", "lr_sched")
_STEPS = ("global_step", "step", "iter", "iteration", "iterations", "n_iter")
_BEST = re.compile(r"(?:^|_)best(?:_|$)", re.IGNORECASE)
_NO_SCORE = re.compile(r"epoch|step|iter|path|file|loss", re.IGNORECASE)
# What torch needs to make numpy's numbers; arrays are made by another function.
_NUMPYS: list[Any] = [np.float64(0).__reduce__()[0], np.dtype]
_NUMPYS += {type(np.dtype(code)) for code in "?bBhHiIlLqQefdFD"}
_KNOWN = [*_NUMPYS, *STAND_INS]
_COMPILED = "_orig_mod"
_MOST_DEEP = 3  # dicts within dicts in which weights are looked for
_MOST_SHOWN = 6


@dataclass(frozen=True)
class ForeignCosine:
    """A learning rate that falls on a cosine, counted in epochs.

    Attributes:
        peak: where it begins; of several groups the highest.
        floor: where it ends.
        epochs: over which it falls.
    """

    peak: float
    floor: float
    epochs: int

    @property
    def falls(self) -> bool:
        """Whether it is a curve at all."""
        return 0 <= self.floor < self.peak


@dataclass(frozen=True, eq=False)
class ForeignCheckpoint:
    """What another program's file holds.

    Attributes:
        path: the file.
        sha256: of all its bytes.
        weights: of its network, by the names in the file; on the CPU.
        place: key under which they lay, such as ``model_state_dict``; empty for the file itself.
        average: a moving average of them, where it has one.
        optimizers: states of optimizers as ``torch.optim.Optimizer.state_dict`` gives them.
        epoch: the number that the file has for its epoch; None where it has none.
        counts_done: whether that number counts epochs that are over; else it is the number that
            the epoch had in a loop, which begins at 0 in most programs.
        step: optimizer steps, where the file says so.
        best: its best score, and the name it has there.
        settings: the program's settings, as far as they are numbers, texts and truth values.
        cosine: the curve of its learning rate, where the file has one that counts epochs.
    """

    path: Path
    sha256: str
    weights: Mapping[str, Tensor]
    place: str = ""
    average: Mapping[str, Tensor] | None = None
    optimizers: tuple[Mapping[str, Any], ...] = ()
    epoch: int | None = None
    counts_done: bool = False
    step: int | None = None
    best: tuple[str, float] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    cosine: ForeignCosine | None = None

    @property
    def epochs_done(self) -> int | None:
        """Epochs behind it, where the file says: a loop's number counts from 0."""
        if self.epoch is None:
            return None
        return self.epoch if self.counts_done else self.epoch + 1

    def description(self) -> str:
        """In a line: weights and where they lie, epoch, best score, some settings."""
        total = sum(t.numel() for t in self.weights.values())
        heads = Counter(name.split(".")[0] for name in self.weights)
        under = f" under {self.place}" if self.place else ""
        named = ", ".join(f"{head}.* {count}" for head, count in heads.most_common(_MOST_SHOWN))
        parts = [f"{len(self.weights)} tensors{under}, {total / 1e6:.2f} M numbers ({named})"]
        if self.average is not None:
            parts.append("their moving average")
        if self.epochs_done is not None:
            from_0 = "" if self.counts_done else f" (written {self.epoch}, counted from 0)"
            parts.append(f"epoch {self.epochs_done}{from_0}")
        if self.best is not None:
            parts.append(f"{self.best[0]} {self.best[1]:.4f}")
        if self.optimizers:
            parts.append("the state of an optimizer")
        if self.settings:
            some = list(self.settings.items())[:_MOST_SHOWN]
            more = len(self.settings) - len(some)
            shown = " ".join(f"--{k.replace('_', '-')} {v!s:.30}" for k, v in some)
            parts.append(f"settings {shown}" + (f" and {more} more" if more else ""))
        return "; ".join(parts)


def read_foreign(path: Path) -> ForeignCheckpoint:
    """Read a checkpoint that another program wrote.

    Args:
        path: a file of ``torch.save`` or safetensors.

    Raises:
        CheckpointMissing: there is no such file.
        CheckpointForeign: it holds more than tensors, plain values and numpy's numbers, which is
            named; or no weights.
    """
    if not path.is_file():
        raise CheckpointMissing(path, "no such file", "give the path of a checkpoint")
    content = _content(path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    place, weights = _weights_in(content)
    if not weights:
        raise CheckpointForeign(path, f"no weights in it ({_what(content)})", _REMEDY)
    beside = content if isinstance(content, Mapping) and place else {}
    key, epoch = _first(beside, _EPOCHS, int)
    settings = _settings_in(beside)
    step = _first(beside, _STEPS, int)[1]
    return ForeignCheckpoint(
        path=path,
        sha256=digest.hexdigest(),
        weights=weights,
        place=place,
        average=_average_in(beside, place),
        optimizers=tuple(_optimizers_in(beside)),
        epoch=epoch,
        counts_done=key in _DONE or _counted_from_1(epoch, step, _planned(beside, settings)),
        step=step,
        best=_best_in(beside),
        settings=settings,
        cosine=_cosine_in(beside, settings),
    )


def _counted_from_1(epoch: int | None, step: int | None, planned: int | None) -> bool:
    """Whether a loop's number says itself how many epochs are over.

    So it is where steps come out even with it alone, and where no more were planned.
    """
    if not epoch:
        return False
    even = step is not None and step > 0 and step % epoch == 0 and step % (epoch + 1) != 0
    return even or epoch == planned


def _planned(content: Mapping[str, Any], settings: Mapping[str, Any]) -> int | None:
    """Epochs that the program was to train, as its settings or its cosine say."""
    for name in _PLANNED:
        if type(settings.get(name)) is int:
            return int(settings[name])
    for name in _SCHEDULERS:
        held = content.get(name)
        if isinstance(held, Mapping) and type(held.get("T_max")) is int:
            return int(held["T_max"])
    return None


def _cosine_in(content: Mapping[str, Any], settings: Mapping[str, Any]) -> ForeignCosine | None:
    """Torch's ``CosineAnnealingLR``, where its length is that of the run in epochs."""
    for name in _SCHEDULERS:
        held = content.get(name)
        if not isinstance(held, Mapping):
            continue
        base, floor, length = (held.get(key) for key in ("base_lrs", "eta_min", "T_max"))
        peaks = [one for one in base or () if type(one) in (int, float) and 0 < one < 10]
        if not peaks or not isinstance(floor, int | float) or not isinstance(length, int):
            continue
        if length == _planned({}, settings):
            return ForeignCosine(float(max(peaks)), float(floor), length)
    return None


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except Exception as error:  # safetensors has errors of its own kind
            raise CheckpointForeign(path, f"not a safetensors file ({error})", _REMEDY) from error
    if zipfile.is_zipfile(path):
        with path.open("rb") as file:
            outline_of(path, file, look_through, _REMEDY)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_KNOWN):
            # torch muses about pickle protocols before it refuses a foreign pickle
            warnings.simplefilter("ignore")
            return plain(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # the unpickler raises anything at all on what it dislikes
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        kind = f"it holds {named[1]}" if named else f"torch cannot read it ({type(error).__name__})"
        kind = str(error) if isinstance(error, SuspiciousError) else kind
        raise CheckpointForeign(path, kind, _REMEDY) from error


def _is_state_dict(value: Any) -> bool:
    """Names and tensors, for the most part: counters and the like may stand among them."""
    if not isinstance(value, Mapping) or not value:
        return False
    tensors = sum(isinstance(one, Tensor) for one in value.values())
    return tensors > len(value) / 2 and all(isinstance(key, str) for key in value)


def _tensors(value: Mapping[str, Any]) -> dict[str, Tensor]:
    return {
        ".".join(part for part in name.split(".") if part != _COMPILED): one.detach()
        for name, one in value.items()
        if isinstance(one, Tensor)
    }


def _weights_in(content: Any, depth: int = 0) -> tuple[str, dict[str, Tensor]]:
    """Where the weights lie, and they: known names come before others, large before small."""
    if _is_state_dict(content):
        return "", _tensors(content)
    if not isinstance(content, Mapping) or depth == _MOST_DEEP:
        return "", {}
    known = [key for key in _WEIGHTS if key in content]
    others = [
        key for key in content
        if isinstance(key, str) and key not in (*known, *_AVERAGES, *_OPTIMIZERS, *_SETTINGS)
    ]  # fmt: skip
    for keys in (known, others, [key for key in _AVERAGES if key in content]):
        found = [(key, *_weights_in(content[key], depth + 1)) for key in keys]
        found = [one for one in found if one[2]]
        if found:
            key, below, weights = max(
                found, key=lambda one: sum(t.numel() for t in one[2].values())
            )
            return ".".join(filter(None, (key, below))), weights
    return "", {}


def _average_in(content: Mapping[str, Any], place: str) -> dict[str, Tensor] | None:
    for key in _AVERAGES:
        if key != place.split(".")[0] and (found := _weights_in(content.get(key))[1]):
            return found
    return None


def _optimizers_in(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in _OPTIMIZERS:
        held = content.get(key)
        for one in held if isinstance(held, list) else [held]:
            if isinstance(one, Mapping) and {"state", "param_groups"} <= one.keys():
                yield one


def _first(content: Mapping[str, Any], keys: tuple[str, ...], kind: type) -> tuple[str, Any]:
    for key in keys:
        if type(content.get(key)) is kind and content[key] >= 0:
            return key, content[key]
    return "", None


def _best_in(content: Mapping[str, Any]) -> tuple[str, float] | None:
    """The score that is called best; of several the first by name that is no loss."""
    for key, value in content.items():
        is_score = isinstance(key, str) and _BEST.search(key) and not _NO_SCORE.search(key)
        if is_score and type(value) in (int, float) and math.isfinite(value):
            return key, float(value)
    return None


def _settings_in(content: Mapping[str, Any]) -> dict[str, Any]:
    for key in _SETTINGS:
        held = content.get(key)
        if isinstance(held, Mapping):
            return {
                str(name): value
                for name, value in held.items()
                if type(value) in (int, float, str, bool)
            }
    return {}


def _what(content: Any) -> str:
    if isinstance(content, Mapping):
        return "keys " + ", ".join(str(key)[:40] for key in list(content)[:_MOST_SHOWN])
    return f"a {type(content).__name__}"
