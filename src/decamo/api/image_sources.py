"""What is given to be predicted, as files and as pixels."""

import glob
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from decamo.data.inside import located
from decamo.data.normalize import to_rgb
from decamo.errors import DataError
from decamo.inference.inputs import images_under

__all__ = ["listed", "pixels_of"]


def listed(name: str) -> list[Path]:
    """The images of a folder, a zip among them, or the files of a pattern, in order.

    Raises:
        DataError: there is nothing of that name.
    """
    path = located(name)
    if path.is_dir():
        return images_under(path)
    files = [Path(one) for one in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
    if not files:
        raise DataError(name, "no such image, folder or pattern", "check its spelling")
    return files


def pixels_of(pixels: Image.Image | npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """An image of Pillow or an array as uint8 ``[H, W, 3]``, RGB, upright.

    Raises:
        DataError: an array of another shape or type.
    """
    if isinstance(pixels, Image.Image):
        return to_rgb(ImageOps.exif_transpose(pixels))
    image = np.require(pixels, requirements=["C", "W"])  # torch takes no other
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        shape = "x".join(str(side) for side in image.shape)
        remedy = "give uint8 H x W x 3, in RGB order"
        raise DataError("image", f"got {image.dtype} {shape}", remedy)
    return image
