"""The cases that the atlas draws, with their pixels."""

from decamo.evaluation import CaseSet, Method, Rules, SetScore, band_of, map_of, read_truth
from decamo.report.atlas_picture import AtlasCase, pick_cases

__all__ = ["atlas_cases"]


def atlas_cases(score: SetScore, method: Method, cases: CaseSet, rules: Rules) -> list[AtlasCase]:
    """Worst and median cases of a score, predicted or read again.

    Args:
        score: whose results are ranked.
        method: that made the maps.
        cases: the set that was scored.
        rules: by which it was scored.
    """
    by_stem = {case.stem: case for case in cases.cases}
    picked = pick_cases(score.results)
    chosen = CaseSet(cases.name, tuple(by_stem[result.stem] for _, result in picked))
    made = []
    for (kind, result), job in zip(picked, method.jobs(chosen), strict=True):
        truth, image = job.truth, job.image
        if truth is None:
            truth, image = read_truth(job.case, with_image=True)
        grey, _ = map_of(job, truth, rules)
        band, mask = rules.band or band_of(truth.shape), truth.by(rules.convention)
        made.append(
            AtlasCase(kind, result, grey, mask, image, band, rules.stretch, rules.published)
        )
    return made
