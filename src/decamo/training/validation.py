"""Validation while training: held-out images in, one summary out; it can be left at any batch."""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, pstdev

from decamo.data.pairs import Pair
from decamo.data.waiting import Patience
from decamo.errors import DataStalled, MemoryExhausted
from decamo.evaluation.scoring import ImageScores, score_chunks
from decamo.history import Event, MemoryRanOut, ReadingTrouble, Validating
from decamo.inference.predictor import Predictor
from decamo.metrics import Scores, mean_scores
from decamo.nn.expert_recorders import GateRecorder, Routing, routing_of
from decamo.training.runtime import Runtime, is_out_of_memory, release

__all__ = ["ValidationSummary", "Validator", "summarize_scores"]

_BATCH = 8  # images in a forward pass


@dataclass(frozen=True)
class ValidationSummary:
    """What validation found.

    Attributes:
        scores: means over the images.
        images: how many.
        iou_sd: standard deviation of their IoU.
        object_share: mean share of an image that is object.
        predicted_share: mean share of an image predicted as object.
        sure_wrong: share of the wrong pixels whose probability is within 0.01 of 0 or 1; 0 where
            no pixel is wrong.
        ious: key of the pair -> its IoU, in the order scored.
        routing: how the images were dealt out to the experts; empty where nobody listened.
    """

    scores: Scores
    images: int
    iou_sd: float
    object_share: float
    predicted_share: float
    sure_wrong: float
    ious: Mapping[str, float] = field(default_factory=dict)
    routing: Routing = field(default_factory=Routing)


def summarize_scores(scored: Sequence[ImageScores]) -> ValidationSummary:
    """Join the scores of images; NaN where there is none."""
    pixels = [s.pixels for s in scored]
    wrong = sum(p.wrong for p in pixels)
    return ValidationSummary(
        scores=mean_scores([s.scores for s in scored]),
        images=len(scored),
        iou_sd=pstdev([s.scores.iou for s in scored]) if scored else math.nan,
        object_share=fmean([p.object / p.all for p in pixels]) if scored else math.nan,
        predicted_share=fmean([p.predicted / p.all for p in pixels]) if scored else math.nan,
        sure_wrong=sum(p.sure_wrong for p in pixels) / wrong if wrong else 0.0,
        ious={s.pair.key: s.scores.iou for s in scored},
    )


@dataclass
class Validator:
    """Scores held-out images, each process its share.

    Attributes:
        pairs: the images.
        runtime: device and ranks.
        stop: asked between batches; a reason, or nothing to go on.
        batch: images in a forward pass; halved for good where they do not fit.
        waiting: asked while images are awaited, as ``stop`` is between batches.
        patience: judges how long they are.
        why: it was stopped, the last time that it was.
        stalled: set where that was because images did not come.
    """

    pairs: Sequence[Pair]
    runtime: Runtime
    stop: Callable[[], str]
    batch: int = _BATCH
    waiting: Callable[[], str] = lambda: ""
    patience: Patience = field(default_factory=Patience)
    why: str = field(default="", init=False)
    stalled: DataStalled | None = field(default=None, init=False)

    def run(
        self, predictor: Predictor, step: int
    ) -> Generator[Event, None, ValidationSummary | None]:
        """Validate; None where it was stopped in any process.

        Raises:
            MemoryExhausted: not even a single image fits.
            UnreadableImage: a file cannot be decoded.
        """
        self.why, self.stalled = "", None
        with GateRecorder(predictor.model) as heard:
            scored = yield from self._score(predictor, heard, step)
        if self.runtime.any(scored is None) or scored is None:
            return None
        summary = summarize_scores(self.runtime.gather(scored))
        every = self.runtime.gather([heard.images()])  # one list a process: no order is needed
        return replace(summary, routing=routing_of([gates for some in every for gates in some]))

    def _score(
        self, predictor: Predictor, heard: GateRecorder, step: int
    ) -> Generator[Event, None, list[ImageScores] | None]:
        """Scores of this process's share; None where it was stopped."""
        mine = self.pairs[self.runtime.rank :: self.runtime.world]
        scored: list[ImageScores] = []
        passes = 0  # whose scores are known
        while len(scored) < len(mine):
            rest = mine[len(scored) :]
            chunks = score_chunks(predictor, rest, batch=self.batch, patience=self.patience)
            try:
                for chunk in chunks:
                    for what in self.patience.take_notes():
                        yield ReadingTrouble(step, what)
                    scored += chunk
                    if chunk:
                        passes = len(heard)
                        yield Validating(len(scored), len(mine))
                    self.why = self.stop() if chunk else self.waiting()
                    if self.why:
                        return None
            except DataStalled as stalled:
                self.stalled, self.why = stalled, str(stalled)
                return None
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                heard.forget(passes)
                decision = self._smaller(predictor.size)
                release(self.runtime.device)
                yield MemoryRanOut("validation", step, decision)
        return scored

    def _smaller(self, size: int) -> str:
        if self.batch == 1:
            raise MemoryExhausted(
                "validation",
                f"not even one image of {size} px fits",
                "give a smaller --img-size, or free the device",
            )
        self.batch //= 2
        return f"{self.batch} images in a forward pass instead of {2 * self.batch}"
