"""What a checkpoint holds, field by field, and its plain values in the file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from decamo.data.rules import ReadingRule, rules_from_plain
from decamo.data.split_record import SplitRecord
from decamo.history import EpochRecord
from decamo.schedule import Lineage, Position
from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain, to_plain
from decamo.storage.formats import FORMAT

if TYPE_CHECKING:
    import torch

__all__ = ["Best", "Checkpoint", "EmaWeights", "EpochSums", "Generators"]


@dataclass(frozen=True)
class Best:
    """The best validation score so far, and the images it was taken on."""

    iou: float = -1.0
    epoch: int = 0
    images: str = ""


@dataclass(frozen=True)
class EpochSums:
    """What the epoch under way has added up, for its record: sums over images.

    ``lr`` has what the optimizer had at the epoch's first step, by group.
    """

    images: int = 0
    parts: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    skipped: int = 0
    lr: dict[str, float] = field(default_factory=dict)

    def add(
        self, images: int, parts: dict[str, float], seconds: float, skipped: bool = False
    ) -> "EpochSums":
        """These sums and one more step; ``parts`` are means over its images.

        The loss of a step that was left out does not count: it may not be finite.
        """
        if skipped:
            return replace(self, seconds=self.seconds + seconds, skipped=self.skipped + 1)
        names = self.parts.keys() | parts.keys()
        summed = {n: self.parts.get(n, 0.0) + parts.get(n, 0.0) * images for n in sorted(names)}
        return replace(
            self, images=self.images + images, parts=summed, seconds=self.seconds + seconds
        )

    def means(self) -> dict[str, float]:
        """Means over the images."""
        return {name: total / max(self.images, 1) for name, total in self.parts.items()}


@dataclass(frozen=True, eq=False)
class EmaWeights:
    """The moving average of the weights.

    Attributes:
        weights: parameters and buffers by name.
        updates: how often it has followed the weights.
    """

    weights: Mapping[str, "torch.Tensor"]
    updates: int


@dataclass(frozen=True, eq=False)
class Generators:
    """States of torch's random generators: the CPU's, and one for each GPU."""

    cpu: "torch.Tensor"
    cuda: tuple["torch.Tensor", ...] = ()


_NAMES = {
    "format", "decamo", "architecture", "settings", "model", "ema", "optimiser", "scaler",
    "generators", "ledger", "position", "sums", "history", "best", "bad_steps", "images", "rules",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run between two optimizer steps, as a file holds it; tensors lie on any device.

    Attributes:
        architecture: the network's description, from which it is built again.
        settings: in force when it was written.
        weights: of the network: parameters and buffers by name.
        ema: their moving average, where the run keeps one.
        moments: Adam's step count and moments by parameter; empty for what never learned.
        scaler: of the loss, under the names of torch's GradScaler; empty without float16.
        generators: torch's random generators.
        lineage: every segment of the run.
        position: how far it has come.
        sums: of the epoch under way.
        history: a record for each epoch that the weights descend from.
        best: the best validation score so far.
        bad_steps: the last so many steps had no finite gradient.
        images: those that the run has met; None in formats before 3, which had their names' digest
            alone (``best.images``).
        rules: how the files of each data set are read; empty where not known.
        written_by: version of decamo that began the file's contents; empty where it did not say.
        format: of the plain values, the present one.
        others: keys of the file that no field here stands for; they go into a file made of this.
    """

    architecture: dict[str, Any]
    settings: TrainSettings
    weights: Mapping[str, "torch.Tensor"]
    ema: EmaWeights | None
    moments: Mapping[str, Mapping[str, Any]]
    scaler: Mapping[str, float]
    generators: Generators
    lineage: Lineage
    position: Position
    sums: EpochSums
    history: tuple[EpochRecord, ...]
    best: Best
    bad_steps: int
    images: SplitRecord | None
    rules: Mapping[str, ReadingRule]
    written_by: str
    format: int = FORMAT
    others: Mapping[str, Any] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """Tensors and plain values only, under the keys of the file."""
        by = {"decamo": self.written_by} if self.written_by else {}
        ema = self.ema
        return {
            "format": self.format,
            **by,
            "architecture": self.architecture,
            "settings": to_plain(self.settings),
            "model": self.weights,
            "ema": None if ema is None else {"weights": ema.weights, "updates": ema.updates},
            "optimiser": self.moments,
            "scaler": self.scaler,
            "generators": {"cpu": self.generators.cpu, "cuda": list(self.generators.cuda)},
            "ledger": self.lineage.to_plain(),
            "position": asdict(self.position),
            "sums": asdict(self.sums),
            "history": [record.to_plain() for record in self.history],
            "best": asdict(self.best),
            "bad_steps": self.bad_steps,
            "images": None if self.images is None else self.images.to_plain(),
            "rules": {name: rule.to_plain() for name, rule in self.rules.items()},
            **self.others,
        }

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> "Checkpoint":
        """The inverse of :meth:`to_plain`.

        Args:
            plain: of the present format, each field of its type, as
                :func:`decamo.storage.sealed.load_sealed` gives it.
        """
        ema, images = plain["ema"], plain.get("images")
        return Checkpoint(
            architecture=plain["architecture"],
            settings=from_plain(plain["settings"]),
            weights=plain["model"],
            ema=None if ema is None else EmaWeights(**ema),
            moments=plain["optimiser"],
            scaler=plain["scaler"],
            generators=Generators(plain["generators"]["cpu"], tuple(plain["generators"]["cuda"])),
            lineage=Lineage.from_plain(plain["ledger"]),
            position=Position(**plain["position"]),
            sums=EpochSums(**plain["sums"]),
            history=tuple(EpochRecord.from_plain(record) for record in plain["history"]),
            best=Best(**plain["best"]),
            bad_steps=plain["bad_steps"],
            images=None if images is None else SplitRecord.from_plain(images),
            rules=rules_from_plain(plain.get("rules")),
            written_by=plain.get("decamo", ""),
            format=plain["format"],
            others={key: value for key, value in plain.items() if key not in _NAMES},
        )
