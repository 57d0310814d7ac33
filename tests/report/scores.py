"""Made-up scores for tests of tables."""

from dataclasses import replace

from decamo.evaluation import SetScore, score_set
from tests.evaluation.conftest import protocol_of, scored, square


def made(method: str, dataset: str, noise: int = 40) -> SetScore:
    """Six squares, found but for one column, with noise."""
    masks = {f"COD10K-CAM-1-Aquatic-{n}-Crab-{n}": square(2, 3, 3 + 3 * n) for n in range(6)}
    results = scored(masks, noise=noise, seed=noise)
    score = score_set(method, dataset, protocol_of(results), results, by=["size"])
    return replace(score, protocol=replace(score.protocol, missing=noise // 100))
