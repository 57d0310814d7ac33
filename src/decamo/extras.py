"""Packages of others: the line for one that is not installed, and how heavy ones are imported."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from decamo.errors import MissingExtra

__all__ = ["heavy_imports", "missing_extra", "missing_extras"]

_EXTRA_OF = {
    "torch": "train",
    "torchvision": "train",
    "timm": "train",
    "scipy": "train",
    "matplotlib": "train",
    "tensorboard": "train",
    "onnxruntime": "onnx",
    "onnx": "export",
    "onnxscript": "export",
    "openvino": "openvino",
    "av": "video",
    "fsspec": "remote",
    "s3fs": "remote",
    "ray": "ray",
}


def missing_extra(error: ImportError) -> MissingExtra | None:
    """The line for a package that is not installed; None where it is no extra's."""
    package = (error.name or "").partition(".")[0]
    extra = _EXTRA_OF.get(package)
    if extra is None:
        return None
    return MissingExtra(
        package, "not installed, and this needs it", f"pip install 'decamo[{extra}]'"
    )


@contextmanager
def missing_extras() -> Iterator[None]:
    """Imports within the block: a package that is not installed is explained in a line.

    Raises:
        MissingExtra: names the extra that brings it.
    """
    try:
        yield
    except ImportError as error:
        explained = missing_extra(error)
        if explained is None:
            raise
        raise explained from error


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Imports within the block: nobody looks for garbage meanwhile.

    Modules make objects by the hundred thousand, which Python's collector goes through again and
    again, and none of them is garbage: a fifth of the time of importing torch and timm. Where
    modules were imported all objects count as old afterwards, so that the next looks at young ones
    do not go through these either.
    """
    was, before = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if was and len(sys.modules) > before and not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()  # into the oldest generation
        if was:
            gc.enable()
