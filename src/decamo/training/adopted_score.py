"""What another program's weights score here, beside the score that they came with."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from decamo.checkpoint import Best, Checkpoint
from decamo.evaluation.scoring import score_chunks
from decamo.inference.predictor import Predictor
from decamo.metrics import Scores, mean_scores
from decamo.nn import SegmentationNetwork
from decamo.settings import TrainSettings
from decamo.training.data_splits import DataSplits, find_splits
from decamo.training.prepare import ear_of
from decamo.training.runtime import open_runtime

__all__ = ["AdoptedScore", "score_adopted", "score_lines"]


@dataclass(frozen=True)
class AdoptedScore:
    """Scores of adopted weights on the images that the run holds out.

    Attributes:
        splits: the images of the run.
        scores: means over the images held out, each at its native size.
    """

    splits: DataSplits
    scores: Scores

    def known_to(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint with these images, so that its best score is one that can be compared."""
        best = Best(self.scores.iou, checkpoint.position.epoch, self.splits.val_print)
        return replace(checkpoint, best=best, images=self.splits.record, rules=self.splits.rules)


def score_adopted(
    settings: TrainSettings, census: Path, network: SegmentationNetwork
) -> AdoptedScore:
    """Find the images of the run and score the network on those held out, as validation will.

    Args:
        settings: of the run.
        census: file that keeps what is seen of the images.
        network: with its weights; it is on the CPU again afterwards.

    Raises:
        DataError: nothing there, too much of it broken, or too little to split.
        SettingsError: there is no such device.
    """
    splits = find_splits(settings.data, census, lambda done, total: None, ear=ear_of(settings, str))
    runtime = open_runtime(settings.run.device, settings.run.precision)
    before = next(iter(network.parameters())).device
    predictor = Predictor(
        network.to(runtime.device), settings.schedule.img_size, runtime.device, runtime.dtype
    )
    chunks = score_chunks(predictor, splits.val)
    scores = mean_scores([one.scores for chunk in chunks for one in chunk])
    network.to(before)
    return AdoptedScore(splits, scores)


def score_lines(
    there: Best,
    named: tuple[str, float] | None,
    here: AdoptedScore | None,
    logged: float | None = None,
) -> Iterator[str]:
    """Both scores, and why they may differ.

    Args:
        there: the best IoU that the run came with, if any.
        named: the best score of its file, by its name there.
        here: scores of its weights; None without data.
        logged: IoU that its log has for these weights' epoch, which need not be the best one.
    """
    known = f"{named[0]} {named[1]:.4f}" if named else "no score"
    known = f"IoU {there.iou:.4f}" if there.epoch else known
    if logged is not None and f"{logged:.4f}" != f"{there.iou:.4f}":
        known += f" as its best; its log has IoU {logged:.4f} for this epoch"
    if here is None:
        yield (
            f"it came with {known}; give --dataset-path to score it here, where the number may be"
            " another"
        )
        return
    yield from here.splits.notes
    found, count = here.scores, len(here.splits.val)
    yield (
        f"it came with {known}; here it has IoU {found.iou:.4f}, Dice {found.dice:.4f}, MAE"
        f" {found.mae:.4f} on the {count} images held out"
    )
    yield (
        "they may differ: here is the mean over images at their native size; there it may be pooled"
        " over a batch, at a squashed size, or on other images. Which of these the other program"
        " held out nobody knows, so some may have trained"
    )
