"""``decamo push``: a network on the Hugging Face hub, with its model card."""

import argparse
from pathlib import Path

from decamo.api.model import load
from decamo.flags import Parser, add_network, write_json
from decamo.storage.outputs import Read, Written, check_outputs

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo push``."""
    add = parser.add_argument
    add("checkpoint", help="a checkpoint such as best_model.pth, or a folder of save_pretrained")
    add("repository", metavar="USER/NAME", help="made where it is missing; USER/NAME@BRANCH")
    add("--private", action="store_true", help="keep others out of a model that is made now")
    add("--scores", type=Path, metavar="FILE",
        help="for the model card: what `decamo evaluate --json FILE` wrote of it")  # fmt: skip
    add("--license", default="", metavar="NAME", help="for the model card, such as apache-2.0")
    add("--message", default="", metavar="TEXT", help="of the commit")
    add_network(add, default="")
    add("--json", type=Path, metavar="FILE", help="write where it is")


def run(args: argparse.Namespace) -> int:
    """Push; returns 0."""
    reads = [Read("CHECKPOINT", Path(args.checkpoint))]
    reads += [Read("--scores", args.scores)] if args.scores else []
    check_outputs(reads, [Written("--json", args.json)] if args.json else [])
    model = load(args.checkpoint, device="cpu", network=args.network)
    place = model.push_to_hub(
        args.repository,
        private=args.private,
        commit_message=args.message,
        license=args.license,
        scores=args.scores,
    )
    print(f"{place}: model.safetensors, config.json, README.md; decamo.load takes it")
    write_json(args.json, {"place": place})
    return 0
