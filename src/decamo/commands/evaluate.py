"""``decamo evaluate``: score networks or anyone's maps, and say how the scores came about."""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from decamo import __version__
from decamo.api.evaluating import EvaluateResult, ScoreOptions, prepare_scoring, score_prepared
from decamo.data.rules import MAX_PIXELS
from decamo.errors import SettingsError
from decamo.evaluation import (
    GROUPINGS,
    RESAMPLES,
    CaseSet,
    Channel,
    Convention,
    Method,
    NonCam,
    SetScore,
    convention_of,
    differences,
    named_path,
    read_report,
)
from decamo.evaluation.cases import TrainedOn
from decamo.flags import (
    Parser,
    add_data_timeout,
    add_network,
    add_place,
    add_views,
    add_wanted,
    write_json,
)
from decamo.report.score_files import scores_csv, scores_latex, scores_markdown
from decamo.storage.outputs import Read, Written, check_outputs, write_output

__all__ = ["add_arguments", "run"]


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
    add_network(add, default="")
    add("--img-size", type=int, metavar="N", help="px that the network sees (default: as trained)")
    add_views(add)
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--precision", default="fp32", choices=("auto", "fp32", "fp16", "bf16"))
    add("--batch-size", type=int, default=8, metavar="N", help="images read ahead; moves no score")
    add("--num-workers", type=int, default=2, metavar="N", help="reading threads")
    add("--workers", type=int, metavar="N",
        help="scoring processes, or workers of --on (default: by cores and images)")  # fmt: skip
    add_data_timeout(add)
    add_place(parser, "worker")
    add("--resume", type=Path, metavar="FILE",
        help="keep each image's results here as they come; go on from those that still hold",
    )  # fmt: skip
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
    scoring = prepare_scoring(_options(args, expected))
    pictures = _pictures(args.atlas, scoring.methods, scoring.sets)
    _check_outputs(args, pictures.values())
    result = score_prepared(scoring)
    print(result)
    _warn(scoring.met)
    report = result.to_plain(later=True) | {"decamo": __version__}
    _write(args, result.scores, report)
    if args.atlas:
        _draw(pictures, result)
    return 0 if expected is None else _judge(expected, report, args.tolerance)


def _options(args: argparse.Namespace, expected: dict[str, Any] | None) -> ScoreOptions:
    """What was asked for; the protocol may be that of the report that is expected."""
    given = {f.name: getattr(args, f.name) for f in fields(ScoreOptions)}
    given |= {"protocol": _protocol(args, expected), "atlas": args.atlas is not None}
    return ScoreOptions(**given)


def _protocol(args: argparse.Namespace, expected: dict[str, Any] | None) -> str:
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
    return convention.value


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
    writes += [Written("--resume", args.resume)] if args.resume else []
    if args.atlas:
        one = args.atlas.suffix.lower() == ".png"
        if not one:
            writes.append(Written("--atlas", args.atlas, folder=True))
        writes += [Written("--atlas", p) for p in pictures or ([args.atlas] if one else [])]
    check_outputs(reads, writes)


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


def _draw(pictures: Mapping[tuple[str, str], Path], result: EvaluateResult) -> None:
    """Draw worst and median cases of each score."""
    # matplotlib, for pictures alone: decisions/0007
    from decamo.report.error_pictures import atlas_cases, draw_atlas

    scoring = result.scoring
    for scored in result.scores:
        path = pictures[scored.method, scored.dataset]
        method = next(m for m in scoring.methods if m.name == scored.method)
        cases = next(s for s in scoring.sets if s.name == scored.dataset)
        title = (
            f"{scored.method} on {scored.dataset}: IoU {scored.whole.scores.iou:.4f}, "
            f"{scored.protocol.convention} protocol"
        )
        draw_atlas(path, title, atlas_cases(scored, method, cases, scoring.rules))
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
