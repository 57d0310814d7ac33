"""``decamo serve``: a network as a page of this machine, and a REST endpoint."""

import argparse
from pathlib import Path

from decamo.api.serving import serve
from decamo.flags import Parser, add_network, add_views
from decamo.inference.views import Views

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo serve``."""
    parser.add_argument("checkpoint", type=Path, help="a checkpoint or an exported model")
    parser.add_argument("--port", type=int, default=8000, help="0 for any that is free")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to bind (default: this machine alone)"
    )
    parser.add_argument(
        "--allow-host", nargs="+", default=(), metavar="NAME",
        help="other names under which the page may be asked for, such as that of a proxy",
    )  # fmt: skip
    parser.add_argument(
        "--max-megabytes", type=int, default=32, metavar="MB", help="largest upload"
    )
    parser.add_argument(
        "--max-pixels", type=int, default=50_000_000, metavar="N", help="largest image, px"
    )
    parser.add_argument(
        "--request-timeout", type=float, default=60, metavar="SECONDS",
        help="that an upload, a turn or a decoding may take",
    )  # fmt: skip
    parser.add_argument(
        "--img-size", type=int, metavar="N", help="size the network sees, px (default: as trained)"
    )
    add_network(parser.add_argument, default="")
    add_views(parser.add_argument)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="fp32", choices=("auto", "fp32", "fp16", "bf16"))


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C; returns the exit code."""
    serve(
        args.checkpoint,
        host=args.host,
        port=args.port,
        allow_hosts=tuple(args.allow_host),
        max_megabytes=args.max_megabytes,
        max_pixels=args.max_pixels,
        seconds=args.request_timeout,
        on_ready=lambda address: print(f"{address}  (Ctrl-C ends it)", flush=True),
        device=args.device,
        precision=args.precision,
        img_size=args.img_size,
        views=Views(args.flips, tuple(args.scales), args.look_closer),
        decide=args.decide,
        network=args.network,
    )
    return 0
