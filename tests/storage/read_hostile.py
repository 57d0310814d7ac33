"""Reads every checkpoint of a folder with little memory; prints what came of each as JSON.

A process of its own: what was made to end a program or to fill the memory shall end only this one.
"""

import json
import resource
import sys
from pathlib import Path

from decamo.checkpoint.load_save import load_or_previous
from decamo.errors import DecamoError

SPARE = 3 * 2**29  # bytes of address space beyond what the libraries have taken


def outcome(path: Path) -> str:
    """``DecamoError`` and its line, or what else happened."""
    try:
        load_or_previous(path)
    except DecamoError as error:
        return f"{type(error).__name__}: {error}"
    except BaseException as error:
        return f"untyped {type(error).__name__}: {error}"[:500]
    return "read"


def main(folder: Path) -> None:
    """Print a JSON object: name -> outcome, and ``peak``, megabytes used beyond the start."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + SPARE, taken + SPARE))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = {path.stem: outcome(path) for path in sorted(folder.glob("*.pth"))}
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(json.dumps({"outcomes": outcomes, "peak": (after - before) / 1024}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
