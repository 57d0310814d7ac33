"""What all networks of ``benchmarks quality`` share: data, weights, sizes, epochs, rates."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.quality_recipes import Entry
from decamo.data.holdout import fingerprint
from decamo.data.pairs import Pair
from decamo.inference.views import Views
from decamo.nn.network_sources import source_digest
from decamo.settings import DataSettings, TrainSettings
from decamo.settings.network_names import NetworkKind, network_spec
from decamo.settings.plain import from_plain, merged, to_plain
from decamo.training.data_splits import DataSplits, find_splits

__all__ = ["Terms", "differing", "everything_trains", "part_trains"]

_STEP = 32  # px; sides are multiples of it
_HEAD_RATE = 0.001
_BACKBONE_RATIO = 0.1
# The last rate of torch.optim.lr_scheduler.OneCycleLR: a 25th of the peak, and a 10,000th of that.
_FLOOR = _HEAD_RATE / 25 / 10_000


@dataclass(frozen=True)
class Terms:
    """What is the same for all networks.

    Attributes:
        dataset_path: folders of data sets.
        backbone: timm's name.
        weights: file of its weights; None starts from random ones.
        mean_std: mean and deviation of the input that the weights expect, of every channel, as
            shares of 255.
        epochs: over the training images.
        img_size: side of the square that the networks see, in px, but for a recipe of another size.
        batch_size: images in an optimizer step.
        num_workers: processes that read; move no score.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: number format of the forward pass.
        views: that each network is shown of a test image.
        decision: of :data:`decamo.inference.views.DECISIONS`.
    """

    dataset_path: tuple[Path, ...]
    backbone: str = "mobilenetv2_100"
    weights: Path | None = None
    mean_std: tuple[float, float] = (0.5, 0.5)
    epochs: int = 10
    img_size: int = 192
    batch_size: int = 8
    num_workers: int = 2
    device: str = "auto"
    precision: str = "auto"
    views: Views = field(default_factory=Views)
    decision: str = "half"

    def size_of(self, entry: Entry) -> int:
        """Side of the square that is read of a photograph for this network, in px."""
        return max(_STEP * round(self.img_size * entry.recipe.size / _STEP), _STEP)

    def settings(self, entry: Entry, seed: int, epochs: int, place: Path) -> TrainSettings:
        """The run of a network: the common settings, and its recipe's over them.

        Args:
            entry: the network.
            seed: of the run.
            epochs: how many it gets.
            place: its run folder.

        Raises:
            SettingsError: they contradict each other.
        """
        mean, std = self.mean_std
        common: dict[str, dict[str, Any]] = {
            "data": {
                "dataset_path": [str(path) for path in self.dataset_path],
                "num_workers": self.num_workers,
            },
            "model": {
                "backbone": self.backbone,
                "num_experts": entry.experts,
                "pretrained": False,
                "backbone_weights": None if self.weights is None else str(self.weights),
                "input_mean": [mean] * 3,
                "input_std": [std] * 3,
                **_network(entry),
            },
            "schedule": {
                "epochs": epochs,
                "skip_stage1": True,
                "scheduler": "onecycle",
                "stage2_lr": _HEAD_RATE,
                "backbone_lr_ratio": _BACKBONE_RATIO,
                "min_lr": _FLOOR,
                "img_size": self.size_of(entry),
                "batch_size": self.batch_size,
                "accumulation_steps": 1,
            },
            "run": {
                "checkpoint_dir": str(place),
                "device": self.device,
                "precision": self.precision,
                "seed": seed,
            },
        }
        return from_plain(merged(common, entry.recipe.settings))

    def told(self, entry: Entry, seed: int, epochs: int, splits: DataSplits) -> dict[str, Any]:
        """All that a score depends on but the images that are scored, as plain values."""
        trained = self.trained_by(entry, seed, epochs, splits)
        return trained | {"views": self.views.words(), "decision": self.decision}

    def trained_by(
        self, entry: Entry, seed: int, epochs: int, splits: DataSplits
    ) -> dict[str, Any]:
        """All that a network's weights depend on, as plain values."""
        plain = to_plain(self.settings(entry, seed, epochs, Path()))
        del plain["model"]["backbone_weights"]
        if entry.network:
            plain["model"] |= {"network": entry.name} | _source(entry)
        weights = None if self.weights is None else _digest(self.weights)
        teacher = entry.teacher
        return {
            "network": entry.name,
            "seed": seed,
            "recipe": entry.recipe.name,
            "augmentation": entry.recipe.draw.__name__,
            "teacher": None if teacher is None else self.told(teacher, seed, epochs, splits),
            "weights_sha256": weights,
            "train_images": len(splits.train),
            "train_fingerprint": fingerprint(splits.train),
            "model": plain["model"],
            "schedule": plain["schedule"],
            "optimise": plain["optimise"],
        }


def differing(held: Any, asked: Any, name: str = "") -> list[str]:
    """What differs between two nests of plain values, in words."""
    if isinstance(held, dict) and isinstance(asked, dict):
        return [
            line
            for key in dict.fromkeys([*held, *asked])
            for line in differing(held.get(key), asked.get(key), f"{name}.{key}".lstrip("."))
        ]
    return [] if held == asked else [f"{name} was {held}, now {asked}"]


def everything_trains(terms: Terms, cache: Path) -> DataSplits:
    """All training images train; one of them is validated as well, since a run validates something.

    Its score decides nothing: the last weights are what is compared.

    Args:
        terms: whose data sets.
        cache: what an earlier look found is read from here and kept here.

    Raises:
        DataError: nothing there, or too much of it broken.
    """
    settings = DataSettings(terms.dataset_path, num_workers=terms.num_workers, val_fraction=0.5)
    splits = find_splits(settings, cache, lambda _done, _of: None)
    every = tuple(sorted((*splits.train, *splits.val), key=lambda pair: pair.key))
    return replace(splits, train=every, val=every[:1])


def part_trains(terms: Terms, share: float, cache: Path) -> tuple[DataSplits, tuple[Pair, ...]]:
    """Some training images are held out, to choose by; no test image is read.

    They are those of ``decamo train --val-fraction``: stratified, and near-duplicates never parted.

    Args:
        terms: whose data sets.
        share: of the training images, in (0,1).
        cache: as for :func:`everything_trains`.

    Returns:
        The images that train, one other being validated while they do; and those held out.

    Raises:
        DataError: nothing there, or too much of it broken.
    """
    settings = DataSettings(terms.dataset_path, num_workers=terms.num_workers, val_fraction=share)
    splits = find_splits(settings, cache, lambda _done, _of: None)
    return replace(splits, val=splits.val[:1]), tuple(splits.val)


def _network(entry: Entry) -> dict[str, Any]:
    """What names a network of others; where a library builds none, it loads its weights itself."""
    if not entry.network:
        return {}
    by_library = network_spec(entry.network).kind is NetworkKind.SMP
    itself = {} if by_library else {"pretrained": True, "backbone_weights": None}
    return {"network": entry.network, **itself}


def _source(entry: Entry) -> dict[str, str]:
    """By what its file is known, where the network comes from one."""
    spec = network_spec(entry.network)
    return {"source": source_digest(spec)} if spec.kind is NetworkKind.FILE else {}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
