"""``decamo data``: what concerns data sets as such."""

import argparse
import math
import os
import sys
from pathlib import Path

from rich.progress import Progress

from decamo.data.audit import audit_data, previews
from decamo.data.census import save_cache
from decamo.data.converting import Target, convert_data
from decamo.data.scenes import write_scenes
from decamo.data.wanted import Wanted
from decamo.errors import SettingsError
from decamo.flags import Parser, add_wanted, write_json
from decamo.report.audit_report import audit_page, audit_text
from decamo.settings.words import counted
from decamo.storage import make_folder
from decamo.storage.outputs import Read, Written, check_outputs, write_output

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo data``."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    scenes = verbs.add_parser(
        "make-scenes", help="write procedural camouflage in the layout of COD10K-v3"
    )
    scenes.add_argument("out", type=Path, help="folder to write to")
    scenes.add_argument("--train", type=int, default=240, metavar="N", help="training images (240)")
    scenes.add_argument("--test", type=int, default=60, metavar="N", help="test images (60)")
    scenes.add_argument("--size", type=int, default=128, metavar="N", help="side in px (128)")
    scenes.add_argument(
        "--noncam-share", type=float, default=0.1, metavar="X", help="share without object (0.1)"
    )
    scenes.add_argument("--seed", type=int, default=0, metavar="N", help="which scenes (0)")
    _add_convert(
        verbs.add_parser(
            "convert",
            help="write a data set in another format: mask folders, COCO, YOLO or LabelMe",
        )
    )
    _add_audit(
        verbs.add_parser(
            "audit",
            help="what is in data sets and what is wrong with them: broken files, pairs that do"
            " not fit, copies across splits",
            epilog="Exit code 0, whatever is found; with --strict 2 where a file or pair is broken"
            " or an image leaks from one split into another.",
        )
    )


def _add_convert(convert: argparse.ArgumentParser) -> None:
    convert.add_argument(
        "source", type=Path, metavar="SRC", help="a folder, a zip or a file of annotations"
    )
    convert.add_argument("out", type=Path, metavar="DEST", help="a new folder")
    convert.add_argument(
        "--to", type=Target, choices=list(Target), required=True, help="the format to write"
    )
    convert.add_argument(
        "--instances", action="store_true",
        help="each connected region of a mask is an instance; else all of them are one",
    )  # fmt: skip
    convert.add_argument(
        "--tolerance", type=float, default=0.0, metavar="PX",
        help="thin polygons out by so many px (0: they keep every pixel)",
    )  # fmt: skip
    add_wanted(convert.add_argument)
    convert.add_argument(
        "--mask-values", nargs="+", default=[], metavar="WORD",
        help="what the masks' values mean, as for training",
    )  # fmt: skip
    convert.add_argument("--json", type=Path, metavar="FILE", help="write what was done here")


def _add_audit(audit: argparse.ArgumentParser) -> None:
    audit.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="data sets, or folders that hold some"
    )
    add_wanted(audit.add_argument)
    audit.add_argument("--json", type=Path, metavar="FILE", help="write everything found here")
    audit.add_argument("--html", type=Path, metavar="FILE", help="write one page to read here")
    audit.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="write what training would look up; as CHECKPOINT_DIR/census.json it spares training"
        " its own look at every file",
    )
    audit.add_argument(
        "--workers",
        type=int,
        default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2,
        metavar="N",
        help="reading processes (as many as cores)",
    )
    audit.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="longest time for one file (60 s)"
    )
    audit.add_argument(
        "--resume", type=Path, metavar="FILE",
        help="keep what is found of each file here as it comes, and go on from it where files are"
        " as they were",
    )  # fmt: skip
    audit.add_argument(
        "--strict", action="store_true", help="exit code 2 on broken files or pairs, or on leaks"
    )


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; returns the exit code."""
    return {"make-scenes": _make_scenes, "audit": _audit, "convert": _convert}[args.verb](args)


def _convert(args: argparse.Namespace) -> int:
    if not 0 <= args.tolerance < math.inf:
        raise SettingsError("--tolerance", f"got {args.tolerance:g}", "give 0 px or more")
    check_outputs(
        [Read("SRC", args.source)],
        [Written("DEST", args.out, folder=True)]
        + ([Written("--json", args.json)] if args.json else []),
    )
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        task = progress.add_task("images", total=None)
        done = convert_data(
            args.source,
            args.out,
            args.to,
            instances=args.instances,
            tolerance=args.tolerance,
            workers=os.cpu_count() or 1,
            wanted=Wanted(tuple(args.train_on), tuple(args.test_on), args.mask_suffix),
            mask_values=args.mask_values,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    for path, reason in done.left_out:
        print(f"left out: {path}: {reason}", file=sys.stderr)
    print("\n".join([f"{counted(done.images, 'image')} in {args.out}", *done.notes]))
    write_json(args.json, done.to_plain())
    return 2 if done.left_out else 0


def _make_scenes(args: argparse.Namespace) -> int:
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        task = progress.add_task("scenes", total=args.train + args.test)
        write_scenes(
            args.out,
            train=args.train,
            test=args.test,
            size=args.size,
            noncam_share=args.noncam_share,
            seed=args.seed,
            on_progress=lambda done, _: progress.update(task, completed=done),
        )
    print(f"{args.train} training and {args.test} test scenes in {args.out}")
    return 0


def _audit(args: argparse.Namespace) -> int:
    for flag, value in (("--workers", args.workers), ("--timeout", args.timeout)):
        if not value > 0:
            raise SettingsError(flag, f"got {value:g}", "give a number above 0")
    named = {
        "--json": args.json, "--manifest": args.manifest, "--html": args.html,
        "--resume": args.resume,
    }  # fmt: skip
    check_outputs(
        [Read("DIR", folder) for folder in args.folders],
        [Written(flag, path) for flag, path in named.items() if path is not None],
    )
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        task = progress.add_task("files", total=None)
        audit = audit_data(
            args.folders,
            workers=args.workers,
            timeout_s=args.timeout,
            wanted=Wanted(tuple(args.train_on), tuple(args.test_on), args.mask_suffix),
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            resume=args.resume,
            on_found=_say_found,
        )
    print(audit_text(audit))
    write_json(args.json, audit.to_plain(later=True))
    if args.manifest is not None:
        make_folder(args.manifest.parent)  # of a run that is still to come
        save_cache(args.manifest, audit.census)
    if args.html is not None:
        page = audit_page(audit, previews(audit.copies, workers=args.workers))
        write_output(args.html, page.encode("utf-8", "replace"))
    amiss = audit.counts["broken"] + audit.counts["leak"]
    return 2 if args.strict and amiss else 0


def _say_found(known: int) -> None:
    if known:
        print(f"{counted(known, 'file')} known from --resume: as they were", file=sys.stderr)
