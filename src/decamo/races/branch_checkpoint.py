"""The checkpoint that a branch sets out from."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from decamo.checkpoint import Checkpoint, EmaWeights, EpochSums
from decamo.checkpoint.load_save import load_checkpoint, read_outline
from decamo.data.dataset import CamouflageDataset
from decamo.data.pairs import Pair
from decamo.data.stream import squashed_images
from decamo.data.waiting import NOBODY, Ear
from decamo.errors import CheckpointError
from decamo.nn import build_network, calibrate_batchnorm
from decamo.nn.build import from_architecture
from decamo.schedule import Lineage
from decamo.settings import TrainSettings
from decamo.storage import RunFolder, snapshots_in

__all__ = [
    "RACE",
    "averageable",
    "averaged",
    "depart",
    "digest_of",
    "has_batchnorm",
    "held_race",
    "original_of",
    "recalibrated",
    "transplanted",
]

RACE = "race.json"


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def held_race(root: Path) -> Mapping[str, Any]:
    """What ``race.json`` says; empty where there is none, or none that can be read."""
    try:
        held = json.loads((root / RACE).read_bytes())
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def original_of(path: Path, root: Path) -> Path:
    """The checkpoint that the race in ``root`` was begun with, by its digest.

    The winner's run may have written over ``best_model.pth`` since; the copy that was kept of it,
    such as ``best_model.epoch-0086.pth``, is then what the same command means.

    Args:
        path: as the command names it.
        root: folder of the race, in the run folder.
    """
    digest = held_race(root).get("checkpoint")
    if not digest or digest_of(path) == digest:
        return path
    copies = sorted(root.parent.glob(f"{path.stem}.epoch-*.pth"))
    return next((copy for copy in copies if digest_of(copy) == digest), path)


_MOST_AVERAGED = 5  # the newest
_MOST_BACK = 10  # epochs; older weights lie farther off than noise scatters them
_IMAGES = 64  # as many as a new run estimates its statistics from
_BATCH = 8


def depart(
    checkpoint: Checkpoint,
    settings: TrainSettings,
    lineage: Lineage,
    before: str,
    transforms: Mapping[str, Callable[[Checkpoint], Checkpoint]],
) -> Checkpoint:
    """The state in which a branch begins, as a checkpoint: ``resume`` calls it ``continue``.

    An epoch under way begins anew, for all branches alike.

    Args:
        checkpoint: that is raced; unchanged.
        settings: of the branch.
        lineage: with the branch's segment at its end.
        before: a key of ``transforms``, ``forget moments``, or empty.
        transforms: what can be done to a state first.
    """
    state = replace(
        checkpoint,
        settings=settings,
        lineage=lineage,
        position=replace(checkpoint.position, micro=0),
        sums=EpochSums(),
        bad_steps=0,
    )
    if before == "forget moments":
        return replace(state, moments={})
    return transforms[before](state) if before else state


def averageable(checkpoint: Checkpoint, path: Path) -> list[Path]:
    """Checkpoints beside ``path`` that can be averaged with it: of the same network, none later.

    Later ones have trained on more; the control has not. Of several at one step, one counts.

    Returns:
        the newest few, ``path`` first; itself alone where there is no other.
    """
    at = checkpoint.position.step
    oldest = checkpoint.position.epoch - _MOST_BACK
    folder = RunFolder(path.parent)
    found = {at: path}
    for other in (*snapshots_in(folder.root).values(), folder.last, folder.best):
        try:
            outline = read_outline(other, check=False)
        except CheckpointError:
            continue
        same, there = outline.architecture == checkpoint.architecture, outline.position
        if same and there.epoch >= oldest and there.step < at:
            found.setdefault(there.step, other)
    return [found[step] for step in sorted(found, reverse=True)[:_MOST_AVERAGED]]


def averaged(state: Checkpoint, others: Sequence[Path]) -> Checkpoint:
    """The state with the mean of its weights and those of other checkpoints (arXiv:1803.05407).

    A moving average is set to that mean too. Counts and other whole numbers stay.

    Raises:
        CheckpointError: one of them cannot be read.
    """
    sums = {name: t.double() for name, t in state.weights.items() if t.is_floating_point()}
    for path in others:
        weights = load_checkpoint(path).weights
        for name in sums:
            sums[name] += weights[name].double()
    mean = {
        name: (sums[name] / (1 + len(others))).to(t.dtype) if name in sums else t
        for name, t in state.weights.items()
    }
    return _with_weights(state, mean)


def recalibrated(
    state: Checkpoint, pairs: Sequence[Pair], size: int, ear: Ear = NOBODY
) -> Checkpoint:
    """The state with the backbone's BatchNorm statistics re-estimated from training images.

    Args:
        state: unchanged.
        pairs: training images; the first :data:`_IMAGES` are used, without augmentation.
        size: of the network's input, in px.
        ear: listened to while they are read.
    """
    model = from_architecture(state.architecture)
    model.load_state_dict(state.weights)
    model.eval()
    data = CamouflageDataset(pairs[:_IMAGES], size, seed=0, augment=False)
    images = torch.stack(squashed_images(data, ear))
    calibrate_batchnorm(model, images.tensor_split(max(len(data) // _BATCH, 1)))
    return _with_weights(state, model.state_dict())


def transplanted(state: Checkpoint, path: Path) -> Checkpoint:
    """The state with the network of its settings, whose backbone is that of another checkpoint.

    Args:
        state: under the settings of the new network; unchanged.
        path: of the checkpoint that the backbone comes from.

    Raises:
        WeightsUnavailable: the backbone is another one.
    """
    model = replace(state.settings.model, backbone_weights=path)
    network = build_network(
        model, sizes=[state.settings.schedule.img_size], seed=state.settings.run.seed
    )
    weights = network.state_dict()
    ema = EmaWeights(dict(weights), 1) if state.settings.optimise.use_ema else None
    return replace(state, architecture=network.architecture, weights=weights, moments={}, ema=ema)


def has_batchnorm(checkpoint: Checkpoint) -> bool:
    """Whether the backbone keeps running statistics."""
    names = checkpoint.weights
    return any(n.startswith("backbone.") and n.endswith("running_mean") for n in names)


def _with_weights(state: Checkpoint, weights: Mapping[str, Any]) -> Checkpoint:
    ema = None if state.ema is None else replace(state.ema, weights=dict(weights))
    return replace(state, weights=dict(weights), ema=ema)
