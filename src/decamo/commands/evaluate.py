"""``decamo evaluate``: score networks or anyone's maps, and say how the scores came about."""

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.progress import Progress

from decamo import __version__
from decamo.data.deciding import ranges_of
from decamo.data.layouts import Wanted, find_pairs
from decamo.data.matching import files_by_stem
from decamo.data.rules import MAX_PIXELS, ReadingRule
from decamo.data.split_record import SplitRecord
from decamo.data.waiting import Ear
from decamo.errors import SettingsError
from decamo.evaluation import (
    GROUPINGS,
    RESAMPLES,
    CaseSet,
    Channel,
    Comparison,
    Convention,
    MapMethod,
    Measurer,
    Method,
    NonCam,
    Rules,
    SetScore,
    compare,
    convention_of,
    differences,
    method_names,
    named_path,
    plain_score,
    read_report,
    rule_sets,
    run_method,
    score_set,
    sets_of_masks,
    sets_of_pairs,
)
from decamo.evaluation.trained_on import TrainedOn, trained_on
from decamo.flags import (
    Parser,
    add_data_timeout,
    add_views,
    add_wanted,
    write_json,
)
from decamo.report.atlas_text import atlas_text
from decamo.report.outcome_notes import outcome_notes
from decamo.report.score_files import scores_csv, scores_latex, scores_markdown
from decamo.report.score_tables import (
    both_text,
    comparison_text,
    group_text,
    head_text,
    protocol_text,
    score_text,
)
from decamo.settings.duration import seconds_of
from decamo.storage.outputs import Read, Written, check_outputs, write_output

__all__ = ["add_arguments", "run"]

_WORTH = 50  # images for each process; starting them takes about as long as scoring those


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo evaluate``."""
    add = parser.add_argument_group("what is scored").add_argument
    add("checkpoint", nargs="*", metavar="[NAME=]CHECKPOINT", help="such as best_model.pth")
    many: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    add("--predictions", **many, metavar="[NAME=]DIR",
        help="folders of any method's maps, or of a folder of maps for each set")  # fmt: skip
    add("--dataset-path", **many, type=Path, metavar="PATH", help="folders of data sets")
    add("--masks", **many, metavar="[NAME=]DIR", help="folders of masks, instead of data sets")
    add("--images", **many, type=Path, metavar="DIR", help="with --masks: images, for the atlas")
    add("--split", default="test", choices=("test", "train"), help="of data sets (default test)")
    add_wanted(add)
    add = parser.add_argument_group("how it is scored").add_argument
    add("--protocol", choices=[c.value for c in Convention],
        help="published: as pysodmetrics scores, the default; plain: as validation while training "
             "does; --expect FILE is scored by its own")  # fmt: skip
    add("--noncam", choices=[c.value for c in NonCam],
        help="left out: drop: empty masks and COD10K's NonCAM (default if plain); named: NonCAM "
             "alone (default if published); negatives: none")  # fmt: skip
    add("--missing", default="error", choices=("error", "zero"),
        help="zero: a mask without a map counts as nothing found")  # fmt: skip
    add("--mask-values", **many, metavar="VALUES",
        help="what the masks' values mean, as in train: object=1 void=255")  # fmt: skip
    add("--max-pixels", type=int, default=MAX_PIXELS, metavar="N", help="largest file decoded")
    add("--resize", action="store_true", help="bring maps of another size to the mask's")
    add("--stretch", action="store_true",
        help="stretch each map to [0, 1], as the published protocol always does")  # fmt: skip
    add("--map-channel", type=Channel, choices=list(Channel), metavar="NAME",
        help="of maps with alpha: luminance or alpha (default: as all files show)")  # fmt: skip
    add("--img-size", type=int, metavar="N", help="px that the network sees (default: as trained)")
    add_views(add)
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--precision", default="fp32", choices=("auto", "fp32", "fp16", "bf16"))
    add("--batch-size", type=int, default=8, metavar="N", help="images read ahead; moves no score")
    add("--num-workers", type=int, default=2, metavar="N", help="reading threads")
    add("--workers", type=int, metavar="N", help="scoring processes (default: by cores and images)")
    add_data_timeout(add)
    add = parser.add_argument_group("what is told").add_argument
    add("--by", **many, choices=sorted(GROUPINGS), help="scores of groups as well")
    add("--compare", nargs=2, metavar=("A", "B"), help="names of two methods: is B better?")
    add("--resamples", type=int, default=RESAMPLES, metavar="N", help="for intervals; 0: none")
    add("--seed", type=int, default=0, metavar="N", help="of the resamples")
    add("--atlas", type=Path, metavar="PATH",
        help="what the lost IoU is made of; worst and median cases as PNG or a folder")  # fmt: skip
    add("--band", type=int, metavar="N", help="px of boundary (default: 0.5 %% of the diagonal)")
    add("--json", type=Path, metavar="FILE", help="write everything")
    add("--csv", type=Path, metavar="FILE", help="write a line for each measure and group")
    add("--markdown", type=Path, metavar="FILE", help="write a table")
    add("--latex", type=Path, metavar="FILE", help="write a table as papers print it")
    add("--expect", type=Path, metavar="FILE", help="a --json of before: exit 1 if a score moved")
    add("--tolerance", type=float, default=1e-6, metavar="X", help="largest move that is none")


def run(args: argparse.Namespace) -> int:
    """Score; returns 0, or 1 if ``--expect`` is not met."""
    _check_outputs(args)
    expected = read_report(args.expect) if args.expect else None
    rules, ear = _rules(args, expected), _ear(args)
    names = _names(args)
    loaded = [
        _network(args, n, named_path(c)[1], rules)
        for n, c in zip(names, args.checkpoint, strict=False)
    ]
    networks = [network for network, *_ in loaded]
    ruled = rule_sets(
        _sets(args),
        given=args.mask_values,
        images=bool(networks),
        ranges={k: v for *_, trained in loaded for k, v in ranges_of(trained).items()},
        max_pixels=args.max_pixels,
        ear=ear,
    )
    for line in ruled.lines:
        print(line, file=sys.stderr)
    sets = ruled.sets
    met = [
        one for network, images, _ in loaded for one in trained_on(network.name, images, sets, ear)
    ]
    methods = [*networks, *_folders(args, names, rules.noncam, alone=len(sets) == 1)]
    pictures = _pictures(args.atlas, methods, sets)
    _check_outputs(args, pictures.values())
    with Measurer(_workers(args.workers, sets), rules, ear) as measurer:
        scores = [_score(args, m, s, measurer) for s in sets for m in methods]
    compared = _compared(args, scores)
    _tell(scores, compared)
    _warn(met)
    report = {
        "protocol": rules.convention,
        "rules": "; ".join(head_text(scores).splitlines()),
        "conditions": protocol_text(scores),
        "decamo": __version__,
        "methods": dict(zip(names, [*args.checkpoint, *args.predictions], strict=True)),
        "bootstrap": {"resamples": args.resamples, "seed": args.seed, "level": 0.95},
        "datasets": [plain_score(s) for s in scores],
        "comparisons": [asdict(c) for c in compared],
        "trained_on": [asdict(one) for one in met],
    }
    _write(args, scores, report)
    if args.atlas:
        _draw(pictures, scores, methods, sets, rules)
    return 0 if expected is None else _judge(expected, report, args.tolerance)


def _rules(args: argparse.Namespace, expected: dict[str, Any] | None) -> Rules:
    """By which rules is scored: those asked for, else those of the report that is expected."""
    convention = Convention(args.protocol) if args.protocol else Convention.PUBLISHED
    if expected is not None:
        before = convention_of(expected)
        if args.protocol and before is not convention:
            raise SettingsError(
                "--protocol",
                f"{convention}, but the scores of --expect {args.expect} are by the {before} one",
                f"give --protocol {before}, or write a new report",
            )
        if before is not convention:
            print(f"scored by the {before} protocol, as {args.expect} was", file=sys.stderr)
        convention = before
    rules = _rules_of(args, convention)
    return replace(rules, other=_rules_of(args, convention.other))


def _rules_of(args: argparse.Namespace, convention: Convention) -> Rules:
    return Rules(
        NonCam(args.noncam) if args.noncam else convention.noncam,
        args.stretch or convention is Convention.PUBLISHED,
        args.resize,
        _classifies(args),
        args.band,
        convention,
    )


def _check_outputs(args: argparse.Namespace, pictures: Collection[Path] = ()) -> None:
    """Before anything slow, and once more when it is known which pictures there will be."""
    reads = [Read("CHECKPOINT", named_path(text)[1]) for text in args.checkpoint]
    reads += [Read("--predictions", named_path(text)[1]) for text in args.predictions]
    reads += [Read("--masks", named_path(text)[1]) for text in args.masks]
    reads += [Read("--images", path) for path in args.images]
    reads += [Read("--dataset-path", path) for path in args.dataset_path]
    reads += [Read("--expect", args.expect)] if args.expect else []
    named = {
        "--json": args.json, "--csv": args.csv, "--markdown": args.markdown, "--latex": args.latex,
    }  # fmt: skip
    writes = [Written(flag, path) for flag, path in named.items() if path is not None]
    if args.atlas:
        one = args.atlas.suffix.lower() == ".png"
        if not one:
            writes.append(Written("--atlas", args.atlas, folder=True))
        writes += [Written("--atlas", p) for p in pictures or ([args.atlas] if one else [])]
    check_outputs(reads, writes)


def _sets(args: argparse.Namespace) -> list[CaseSet]:
    if bool(args.masks) == bool(args.dataset_path):
        raise SettingsError(
            "--dataset-path", "give either it or --masks", "name data sets, or folders of masks"
        )
    if args.dataset_path:
        wanted = Wanted(tuple(args.train_on), tuple(args.test_on), args.mask_suffix)
        return sets_of_pairs(find_pairs(args.dataset_path, args.split, wanted).pairs)
    if args.checkpoint:
        raise SettingsError("--masks", "a network needs images", "name the set by --dataset-path")
    images: dict[str, Path] = {}
    for folder in args.images:
        images |= files_by_stem(folder)
    return sets_of_masks([named_path(text) for text in args.masks], images)


def _classifies(args: argparse.Namespace) -> bool:
    """Whether wrong pixels are classified and contrast is measured, which takes the images."""
    return args.atlas is not None or "contrast" in args.by


def _names(args: argparse.Namespace) -> list[str]:
    """What the checkpoints and then the folders of maps are called."""
    named = [named_path(text) for text in (*args.checkpoint, *args.predictions)]
    if not named:
        raise SettingsError("decamo evaluate", "nothing to score", "name a checkpoint or maps")
    names = method_names(named)
    for name in args.compare or ():
        if name not in names:
            known = ", ".join(names)
            raise SettingsError("--compare", f"no method is called {name}", f"choose from {known}")
    return names


def _folders(
    args: argparse.Namespace, names: Sequence[str], noncam: NonCam, *, alone: bool
) -> list[Method]:
    own = names[len(args.checkpoint) :]
    return [
        MapMethod(
            name,
            named_path(text)[1],
            alone,
            args.missing,
            noncam,
            args.map_channel,
            _ear(args),
        )
        for name, text in zip(own, args.predictions, strict=True)
    ]


def _network(
    args: argparse.Namespace, name: str, path: Path, rules: Rules
) -> tuple[Method, SplitRecord, Mapping[str, ReadingRule]]:
    """A network as a method, the images that it has met, and how they were read."""
    # torch, for checkpoints alone: decisions/0007
    from decamo.api.model import load
    from decamo.evaluation.network import NetworkMethod
    from decamo.inference.views import Views

    views = Views(args.flips, tuple(args.scales), args.look_closer)
    network = load(
        path,
        device=args.device,
        precision=args.precision,
        img_size=args.img_size,
        views=views,
        decide=args.decide,
    )
    loaded, predictor = network.loaded, network.predictor
    facts = {
        "source": "network",
        "weights": f"{loaded.weights} weights of epoch {loaded.epoch}",
        "network_px": predictor.size,
        "tta": views.words(),
        "decision": args.decide,
        "precision": str(predictor.dtype or "float32").removeprefix("torch."),
    }
    images = _classifies(args)
    method = NetworkMethod(
        name,
        predictor,
        facts,
        args.batch_size,
        args.num_workers,
        rules,
        images,
        _ear(args),
    )
    return method, loaded.images, loaded.rules


def _aside(line: str) -> None:
    print(line, file=sys.stderr)


def _ear(args: argparse.Namespace) -> Ear:
    return Ear(say=_aside, give_up_s=seconds_of("data_timeout", args.data_timeout))


def _workers(wanted: int | None, sets: Sequence[CaseSet]) -> int:
    if wanted is not None:
        return wanted
    return min(os.cpu_count() or 1, sum(len(s.cases) for s in sets) // _WORTH)


def _score(
    args: argparse.Namespace, method: Method, cases: CaseSet, measurer: Measurer
) -> SetScore:
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        task = progress.add_task(f"{method.name} on {cases.name}", total=len(cases.cases))
        outcome = run_method(
            method,
            cases,
            measurer,
            split=args.split if args.dataset_path else "",
            on_done=lambda: progress.advance(task),
        )
    for line in outcome_notes(f"{method.name} on {cases.name}", outcome):
        print(line, file=sys.stderr)
    return score_set(
        method.name,
        cases.name,
        outcome.protocol,
        outcome.results,
        by=list(dict.fromkeys([*args.by, *(("size", "contrast") if args.atlas else ())])),
        seed=args.seed,
        count=args.resamples,
        others=outcome.others,
    )


def _compared(args: argparse.Namespace, scores: Sequence[SetScore]) -> list[Comparison]:
    if not args.compare:
        return []
    by_name = {(s.method, s.dataset): [r.measures for r in s.results] for s in scores}
    a, b = args.compare
    return [
        comparison
        for dataset in dict.fromkeys(s.dataset for s in scores)
        for comparison in compare(
            dataset,
            (a, by_name[a, dataset]),
            (b, by_name[b, dataset]),
            seed=args.seed,
            count=args.resamples or RESAMPLES,
        )
    ]


def _tell(scores: Sequence[SetScore], compared: Sequence[Comparison]) -> None:
    texts = [
        score_text(scores),
        both_text(scores),
        group_text(scores),
        atlas_text(scores),
        comparison_text(compared, scores[0].protocol.convention),
        protocol_text(scores),
    ]
    print("\n\n".join(text for text in texts if text))


def _warn(met: Sequence[TrainedOn]) -> None:
    sys.stdout.flush()  # the warning belongs behind the table, also where both go to one file
    for one in met:
        if one.line:
            print(one.line, file=sys.stderr)


def _write(args: argparse.Namespace, scores: Sequence[SetScore], report: dict[str, Any]) -> None:
    write_json(args.json, report)
    for path, text in (
        (args.csv, scores_csv),
        (args.markdown, scores_markdown),
        (args.latex, scores_latex),
    ):
        if path is not None:
            write_output(path, text(scores).encode(errors="backslashreplace"))


def _pictures(
    target: Path | None, methods: Sequence[Method], sets: Sequence[CaseSet]
) -> dict[tuple[str, str], Path]:
    """Where the atlas of each method on each set goes; one picture takes the name given."""
    if target is None:
        return {}
    both = [(m.name, s.name) for s in sets for m in methods]
    whole = target.suffix.lower() == ".png"
    if whole and len(both) == 1:
        return {both[0]: target}
    pictures: dict[tuple[str, str], Path] = {}
    taken: Counter[str] = Counter()
    for one in both:
        label = re.sub(r"[^\w.-]+", "_", "-".join(one))
        taken[label.casefold()] += 1
        if taken[label.casefold()] > 1:  # names that differ by other signs alone
            label += f"-{taken[label.casefold()]}"
        name = f"{target.stem}-{label}.png" if whole else f"{label}.png"
        pictures[one] = target.with_name(name) if whole else target / name
    return pictures


def _draw(
    pictures: Mapping[tuple[str, str], Path],
    scores: Sequence[SetScore],
    methods: Sequence[Method],
    sets: Sequence[CaseSet],
    rules: Rules,
) -> None:
    """Draw worst and median cases of each score."""
    # matplotlib, for pictures alone: decisions/0007
    from decamo.report.atlas_cases import atlas_cases
    from decamo.report.atlas_picture import draw_atlas

    for score in scores:
        path = pictures[score.method, score.dataset]
        method = next(m for m in methods if m.name == score.method)
        cases = next(s for s in sets if s.name == score.dataset)
        title = (
            f"{score.method} on {score.dataset}: IoU {score.whole.scores.iou:.4f}, "
            f"{score.protocol.convention} protocol"
        )
        draw_atlas(path, title, atlas_cases(score, method, cases, rules))
        print(f"drawn: {path}")


def _judge(expected: dict[str, Any], report: dict[str, Any], tolerance: float) -> int:
    moved, remarks = differences(expected, report, tolerance)
    for line in remarks:
        print(f"as expected otherwise, but {line}")
    for line in moved:
        print(f"not as expected: {line}", file=sys.stderr)
    if not moved:
        print(f"as expected: no score moved by more than {tolerance:g}")
    return 1 if moved else 0
