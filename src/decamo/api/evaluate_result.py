"""Scores as ``decamo.evaluate`` gives them: shown in a terminal, in a notebook, or as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from decamo.api.model import Model
from decamo.api.score_options import ScoreOptions
from decamo.evaluation import CaseSet, Comparison, Method, Rules, SetScore, plain_score
from decamo.evaluation.cases import TrainedOn
from decamo.report.page import escaped
from decamo.report.score_tables import (
    atlas_text,
    both_text,
    calibration_text,
    comparison_text,
    group_text,
    head_text,
    protocol_text,
    score_text,
)

__all__ = ["EvaluateResult", "Scoring"]


@dataclass(frozen=True)
class Scoring:
    """Methods and data sets that are ready to be scored.

    Attributes:
        options: that were asked for.
        methods: networks and folders of maps.
        sets: the images and masks.
        rules: how maps and masks are compared.
        met: images of the sets that a network has met in training.
        models: the networks among the methods, by their names.
    """

    options: ScoreOptions
    methods: Sequence[Method]
    sets: Sequence[CaseSet]
    rules: Rules
    met: Sequence[TrainedOn]
    models: Mapping[str, Model]


@dataclass(frozen=True)
class EvaluateResult:
    """Scores of each method on each data set; prints as ``decamo evaluate`` does.

    Attributes:
        scores: with intervals, groups and the measures of every image.
        comparisons: of two methods, where asked for.
        scoring: what was scored.
    """

    scores: Sequence[SetScore]
    comparisons: Sequence[Comparison]
    scoring: Scoring

    @property
    def iou(self) -> float:
        """Mean IoU of the first method on the first data set."""
        return self.scores[0].whole.scores.iou

    def __str__(self) -> str:
        texts = [
            score_text(self.scores),
            both_text(self.scores),
            group_text(self.scores),
            calibration_text(self.scores),
            atlas_text(self.scores),
            comparison_text(self.comparisons, self.scores[0].protocol.convention),
            protocol_text(self.scores),
        ]
        return "\n\n".join(text for text in texts if text)

    def _repr_html_(self) -> str:
        return f"<pre>{escaped(self, lines=True)}</pre>"

    def to_plain(self, *, later: bool = False) -> dict[str, Any]:
        """Everything, for ``--json``.

        Args:
            later: the images of each data set are no list, but looked up when they are written.
        """
        options = self.scoring.options
        names = [method.name for method in self.scoring.methods]
        return {
            "protocol": self.scoring.rules.convention,
            "rules": "; ".join(head_text(self.scores).splitlines()),
            "conditions": protocol_text(self.scores),
            "methods": dict(zip(names, [*options.checkpoint, *options.predictions], strict=True)),
            "bootstrap": {"resamples": options.resamples, "seed": options.seed, "level": 0.95},
            "datasets": [plain_score(s, later=later) for s in self.scores],
            "comparisons": [asdict(c) for c in self.comparisons],
            "trained_on": [asdict(one) for one in self.scoring.met],
        }
