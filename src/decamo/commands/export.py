"""``decamo export``: a network as ONNX, OpenVINO or safetensors, compared with torch."""

import argparse
from pathlib import Path

from decamo.api.model import load
from decamo.export.description import ExportTarget, target_of
from decamo.flags import Parser, add_network, write_json
from decamo.storage.outputs import Read, Written, check_outputs

__all__ = ["add_arguments", "run"]

_ENDING = {
    ExportTarget.ONNX: ".onnx",
    ExportTarget.OPENVINO: ".xml",
    ExportTarget.SAFETENSORS: "-safetensors",
}


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo export``."""
    parser.add_argument("checkpoint", type=Path, help="a checkpoint such as best_model.pth")
    parser.add_argument(
        "--to", choices=[target.value for target in ExportTarget],
        help="what to write (default: as --out ends, else onnx)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="PATH",
        help="file.onnx, file.xml, or a folder for safetensors (default: beside the checkpoint)",
    )  # fmt: skip
    add_network(parser.add_argument, default="")
    group = parser.add_argument_group("compared with torch, by probabilities of").add_argument
    group("--images", type=Path, metavar="DIR", help="photographs (default: procedural scenes)")
    group("--dataset-path", type=Path, metavar="PATH", help="training images of a data set")
    group("--compare", type=int, default=16, metavar="N", help="most images, spread evenly (16)")
    group = parser.add_argument_group("8 bits").add_argument
    group("--int8", action="store_true",
        help="quantize, with ranges from training images of --dataset-path; refused where it costs"
        " over 0.01 IoU or is not faster here")  # fmt: skip
    group("--int8-anyway", action="store_true", help="write it even so")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found here")


def run(args: argparse.Namespace) -> int:
    """Export; returns 0."""
    target = ExportTarget(args.to or (target_of(args.out) if args.out else ExportTarget.ONNX))
    out = args.out or args.checkpoint.with_name(args.checkpoint.stem + _ENDING[target])
    check_outputs(
        [Read("CHECKPOINT", args.checkpoint)],
        [Written("--out", out, folder=target is ExportTarget.SAFETENSORS)]
        + ([Written("--json", args.json)] if args.json else []),
    )
    model = load(args.checkpoint, device="cpu", network=args.network)
    if target is ExportTarget.SAFETENSORS:
        folder = model.save_pretrained(out)
        print(f"{folder}: model.safetensors, config.json, README.md; decamo.load takes it")
        write_json(args.json, {"path": str(folder), "to": target.value})
        return 0
    exported = model.export(
        out,
        to=target.value,
        images=args.images,
        dataset_path=args.dataset_path,
        compare=args.compare,
        int8=args.int8 or args.int8_anyway,
        int8_anyway=args.int8_anyway,
    )
    print(exported)
    write_json(args.json, exported.to_plain())
    return 0
