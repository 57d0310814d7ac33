import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from decamo.data.pairs import Pair
from decamo.errors import MemoryExhausted
from decamo.evaluation.scoring import ImageScores, Pixels
from decamo.history import MemoryRanOut, Validating
from decamo.inference.predictor import Predictor
from decamo.metrics import Scores
from decamo.nn import NetworkOutput
from decamo.training.runtime import open_runtime
from decamo.training.validation import ValidationSummary, Validator, summarize_scores
from tests.training.conftest import Make

PAIR = Pair(Path("a.jpg"), Path("a.png"), "a", "made", "train")


class Gated(nn.Module):
    """Two levels, two experts: the n-th image that it ever sees uses expert n % 2 at the first."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, image: Tensor) -> NetworkOutput:
        turns = (torch.arange(len(image)) + self.seen) % 2
        self.seen += len(image)
        first = torch.nn.functional.one_hot(turns, 2).float()
        gates = torch.stack((first, torch.full_like(first, 0.5)))
        return NetworkOutput(logits=image, side=(), gates=gates, usage=gates.mean(1))


class Small(Predictor):
    """Says 0.9 everywhere; a batch above ``room`` does not fit, which it finds at the very end."""

    def __init__(self, room: int) -> None:
        self.room, self.size = room, 64
        self.model = Gated()  # type: ignore[assignment]
        self.batches: list[int] = []

    def predict(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[npt.NDArray[np.float32]]:
        gated = cast(Gated, self.model)
        seen = gated.seen
        gated(torch.zeros(len(images), 1, 1, 1))
        if len(images) > self.room:
            gated.seen = seen
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(images))
        return [np.full(i.shape[:2], 0.9, np.float32) for i in images]


def finish(
    validator: Validator, predictor: Predictor
) -> tuple[list[Any], ValidationSummary | None]:
    events, running = [], validator.run(predictor, step=7)
    while True:
        try:
            events.append(next(running))
        except StopIteration as end:
            return events, end.value


@pytest.fixture
def pairs(make: Make) -> tuple[Pair, ...]:
    return make("run").training_batches.pairs


def validator(pairs: Sequence[Pair], stop_after: int = 10**9) -> Validator:
    asked: list[int] = []

    def stop() -> str:
        asked.append(1)
        return "enough" if len(asked) >= stop_after else ""

    return Validator(pairs, open_runtime("cpu", "fp32"), stop)


def test_a_summary_is_the_mean_over_images() -> None:
    scored = [
        ImageScores(PAIR, Scores(0.2, 0.4, 0.1), Pixels(100, 10, 20, 30, 6)),
        ImageScores(PAIR, Scores(0.6, 0.8, 0.3), Pixels(1000, 300, 100, 10, 2)),
    ]
    found = summarize_scores(scored)
    assert found.scores.iou == pytest.approx(0.4)
    assert found.images == 2
    assert found.iou_sd == pytest.approx(0.2)
    assert found.object_share == pytest.approx((0.1 + 0.3) / 2)
    assert found.predicted_share == pytest.approx((0.2 + 0.1) / 2)
    assert found.sure_wrong == pytest.approx(8 / 40)


def test_of_nothing_there_is_no_mean_and_without_mistakes_none_was_sure() -> None:
    assert math.isnan(summarize_scores([]).scores.iou)
    perfect = ImageScores(PAIR, Scores(1, 1, 0), Pixels(100, 10, 10, 0, 0))
    assert summarize_scores([perfect]).sure_wrong == 0


def test_every_image_is_scored_and_progress_told(pairs: tuple[Pair, ...]) -> None:
    events, found = finish(validator(pairs), Small(room=8))
    assert found is not None
    assert found.images == len(pairs) == 11
    assert events == [Validating(8, 11), Validating(11, 11)]
    assert found.predicted_share == 1
    assert list(found.ious) == [p.key for p in pairs]
    assert fmean(found.ious.values()) == pytest.approx(found.scores.iou)


def test_routing_is_told_apart_from_balance(pairs: tuple[Pair, ...]) -> None:
    """Images that use one expert each, in turn; at the other level each uses both."""
    found = finish(validator(pairs), Small(room=8))[1]
    assert found is not None
    first, second = found.routing.gates
    assert first == pytest.approx([6 / 11, 5 / 11], abs=1e-6)
    assert list(second) == [0.5, 0.5]
    assert list(found.routing.entropy) == [0, 1]
    assert 0.99 < found.routing.balance[0] < 1
    assert found.routing.balance[1] == 1


def test_a_stop_ends_it_at_a_batch_and_gives_nothing(pairs: tuple[Pair, ...]) -> None:
    predictor = Small(room=8)
    events, found = finish(validator(pairs, stop_after=1), predictor)
    assert found is None
    assert events == [Validating(8, 11)]
    assert predictor.batches == [8]


def test_what_does_not_fit_is_halved_for_good_and_scores_stay(pairs: tuple[Pair, ...]) -> None:
    whole = finish(validator(pairs), Small(room=8))[1]
    one, predictor = validator(pairs), Small(room=3)
    events, found = finish(one, predictor)
    told = [e for e in events if isinstance(e, MemoryRanOut)]
    assert [(e.where, e.step) for e in told] == [("validation", 7)] * 2
    assert told[-1].decision == "2 images in a forward pass instead of 4"
    assert found == whole
    assert one.batch == 2
    assert max(predictor.batches) == 2


def test_not_even_one_image_is_an_error(pairs: tuple[Pair, ...]) -> None:
    with pytest.raises(MemoryExhausted, match=r"not even one image of 64 px fits; .*--img-size"):
        finish(validator(pairs), Small(room=0))


def test_other_errors_are_not_swallowed(
    pairs: tuple[Pair, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(Small, "predict", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        finish(validator(pairs), Small(room=8))
