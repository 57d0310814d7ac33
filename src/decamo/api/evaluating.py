"""Score networks and anyone's maps: one call, the same way as ``decamo evaluate``."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import Progress

from decamo.api.evaluate_result import EvaluateResult, Scoring
from decamo.api.model import Model, load
from decamo.api.remote_scoring import RemoteScoring, remote_measurer
from decamo.api.score_options import ScoreOptions
from decamo.cluster.worker_crew import loaded_here
from decamo.data.images_rule import ranges_of
from decamo.evaluation import (
    RESAMPLES,
    AnyMeasurer,
    CaseSet,
    Comparison,
    MapMethod,
    Measurer,
    Method,
    NonCam,
    Rules,
    SetScore,
    compare,
    named_path,
    rule_sets,
    run_method,
    score_set,
)
from decamo.evaluation.cases import trained_on
from decamo.evaluation.measurer import warm_up
from decamo.evaluation.network import NetworkMethod
from decamo.evaluation.result_journal import ResultJournal
from decamo.evaluation.set_scores import measures_of
from decamo.inference.model_digest import model_digest
from decamo.inference.views import Views
from decamo.report.outcome_notes import outcome_notes

__all__ = [
    "EvaluateResult",
    "ScoreOptions",
    "Scoring",
    "evaluate",
    "prepare_scoring",
    "score_prepared",
]

_WORTH = 50  # images for each process; starting them takes about as long as scoring those


def evaluate(
    method: str | Path | Model | Sequence[str | Path],
    dataset_path: str | Path | Sequence[str | Path],
    **options: Any,
) -> EvaluateResult:
    """Score a network or a folder of any method's maps on data sets.

    Args:
        method: a checkpoint, or a folder of maps; a list of such; each also as ``NAME=PATH``. A
            loaded :class:`decamo.Model` is scored as it predicts: its size, views, decision and
            device are those of the score.
        dataset_path: folders of data sets.
        options: other fields of :class:`ScoreOptions`, such as ``protocol="plain"``.

    Raises:
        DecamoError: something cannot be read, or does not fit together.

    Example:
        >>> scored = decamo.evaluate(checkpoint, scenes, device="cpu", resamples=0)
        >>> 0 <= scored.iou <= 1
        True
    """
    if not isinstance(method, str | Path | Sequence):
        options = {**method.score_options(), **options}
        method = method.path
    methods = [str(one) for one in ([method] if isinstance(method, str | Path) else method)]
    folders = [one for one in methods if _holds_maps(named_path(one)[1])]
    sets = [dataset_path] if isinstance(dataset_path, str | Path) else dataset_path
    asked = ScoreOptions(
        checkpoint=[one for one in methods if one not in folders],
        predictions=folders,
        dataset_path=[Path(one) for one in sets],
        **options,
    )
    return score_prepared(prepare_scoring(asked))


def _holds_maps(path: Path) -> bool:
    """Whether a folder is one of maps, not a network that was made to be given away."""
    return path.is_dir() and not (path / "model.safetensors").is_file()


def prepare_scoring(options: ScoreOptions) -> Scoring:
    """Load networks, find images, masks and maps, and decide how they are read.

    Raises:
        DecamoError: something cannot be read, or does not fit together.
    """
    rules, ear = options.rules(), options.ear(_aside)
    names, sets = options.names(), options.case_sets()
    if options.elsewhere() is None and _workers(options.workers, sets) > 1:
        warm_up(rules)  # while torch is loaded here
    loaded = [
        _network(options, n, named_path(c)[1], rules)
        for n, c in zip(names, options.checkpoint, strict=False)
    ]
    networks = [network for network, _ in loaded]
    ruled = rule_sets(
        sets,
        given=options.mask_values,
        images=bool(networks),
        ranges={k: v for _, model in loaded for k, v in ranges_of(model.trained.rules).items()},
        max_pixels=options.max_pixels,
        ear=ear,
    )
    for line in ruled.lines:
        _aside(line)
    met = [
        one
        for network, model in loaded
        for one in trained_on(network.name, model.trained.images, ruled.sets, ear)
    ]
    folders = _folders(options, names, rules.noncam, alone=len(ruled.sets) == 1)
    models = {network.name: model for network, model in loaded}
    return Scoring(options, [*networks, *folders], ruled.sets, rules, met, models)


def score_prepared(scoring: Scoring) -> EvaluateResult:
    """Score every method on every data set.

    Raises:
        DecamoError: a map or a mask cannot be read.
    """
    options = scoring.options
    journal = None if options.resume is None else ResultJournal(options.resume, scoring.rules)
    with _measurer(scoring) as (measurer, methods):
        scores = [_score(options, m, s, measurer, journal) for s in scoring.sets for m in methods]
    if journal is not None:
        journal.settle()
    return EvaluateResult(scores, _compared(options, scores), scoring)


@contextmanager
def _measurer(scoring: Scoring) -> Iterator[tuple[AnyMeasurer, Sequence[Method]]]:
    """What scores, here or on a cluster, and the methods as they are scored there."""
    options = scoring.options
    ear, wanted = options.ear(_aside), options.elsewhere()
    if wanted is None:
        workers, networks = _workers(options.workers, scoring.sets), bool(scoring.models)
        with Measurer(workers, scoring.rules, ear, aside=networks) as here:
            yield here, scoring.methods
        return
    work = RemoteScoring(scoring.rules, options.classifies, options.num_workers, ear.give_up_s)
    methods = [(method, scoring.models.get(method.name)) for method in scoring.methods]
    with remote_measurer(wanted, methods, scoring.sets, work, ear) as there:
        yield there


def _folders(
    options: ScoreOptions, names: Sequence[str], noncam: NonCam, *, alone: bool
) -> list[Method]:
    own = names[len(options.checkpoint) :]
    return [
        MapMethod(
            name,
            named_path(text)[1],
            alone,
            options.missing,
            noncam,
            options.map_channel,
            options.ear(_aside),
        )
        for name, text in zip(own, options.predictions, strict=True)
    ]


def _network(options: ScoreOptions, name: str, path: Path, rules: Rules) -> tuple[Method, Model]:
    """A network as a method, and what is known of it."""
    views = Views(options.flips, tuple(options.scales), options.look_closer)
    device, precision = loaded_here(options.elsewhere(), options.device, options.precision)
    network = load(
        path,
        device=device,
        precision=precision,
        img_size=options.img_size,
        views=views,
        decide=options.decide,
        network=options.network,
    )
    trained, predictor = network.trained, network.predictor
    facts = {
        "source": "network",
        "weights": f"{trained.weights} weights of epoch {trained.epoch}",
        "network_px": predictor.size,
        "tta": views.words(),
        "decision": options.decide,
        "precision": str(predictor.dtype or "float32").removeprefix("torch."),
    }
    images = options.classifies
    method = NetworkMethod(
        name,
        predictor,
        facts,
        options.batch_size,
        options.num_workers,
        rules,
        images,
        options.ear(_aside),
        "" if options.resume is None else model_digest(network.path, options.network),
    )
    return method, network


def _workers(wanted: int | None, sets: Sequence[CaseSet]) -> int:
    if wanted is not None:
        return wanted
    return min(os.cpu_count() or 1, sum(len(s.cases) for s in sets) // _WORTH)


def _score(
    options: ScoreOptions,
    method: Method,
    cases: CaseSet,
    measurer: AnyMeasurer,
    journal: ResultJournal | None,
) -> SetScore:
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        task = progress.add_task(f"{method.name} on {cases.name}", total=len(cases.cases))
        outcome = run_method(
            method,
            cases,
            measurer,
            split=options.split if options.dataset_path else "",
            on_done=lambda: progress.advance(task),
            journal=journal,
        )
    for line in outcome_notes(f"{method.name} on {cases.name}", outcome):
        _aside(line)
    return score_set(
        method.name,
        cases.name,
        outcome.protocol,
        outcome.results,
        by=list(dict.fromkeys([*options.by, *(("size", "contrast") if options.atlas else ())])),
        seed=options.seed,
        count=options.resamples,
        others=outcome.others,
    )


def _compared(options: ScoreOptions, scores: Sequence[SetScore]) -> list[Comparison]:
    if not options.compare:
        return []
    by_name = {(s.method, s.dataset): measures_of(s.results) for s in scores}
    a, b = options.compare
    return [
        comparison
        for dataset in dict.fromkeys(s.dataset for s in scores)
        for comparison in compare(
            dataset,
            (a, by_name[a, dataset]),
            (b, by_name[b, dataset]),
            seed=options.seed,
            count=options.resamples or RESAMPLES,
        )
    ]


def _aside(line: str) -> None:
    sys.stderr.write(f"{line}\n")
