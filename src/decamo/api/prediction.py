"""What a network found in an image."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from decamo.inference.writer import overlay, write_overlay, write_probability
from decamo.metrics import THRESHOLD
from decamo.storage import make_folder

__all__ = ["ImageSource", "Pixels", "Prediction"]

Pixels = Image.Image | npt.NDArray[np.uint8]
ImageSource = str | Path | Pixels
"""One image: the path of a file, a PIL image, or RGB uint8 ``[H, W, 3]``."""

_PREVIEW = 640  # px of the longer side in a notebook


@dataclass(frozen=True)
class Prediction:
    """What a network found in one image; shows itself in a notebook.

    Attributes:
        image: uint8 ``[H, W, 3]``, RGB, as displayed.
        probability: float32 ``[H, W]`` in [0, 1], that a pixel belongs to a camouflaged object.
        source: the image's file, or its video's; None where it came as pixels.
        frame: number of the frame in its video, from 0 on; None where there is no video.
        time_s: when that frame is shown, seconds from the first on.

    Example:
        >>> found = decamo.load(checkpoint).predict(photo)
        >>> found.mask.shape == found.image.shape[:2]
        True
        >>> [path.name for path in found.save("maps")]
        ['photo.png', 'photo_overlay.png']
    """

    image: npt.NDArray[np.uint8]
    probability: npt.NDArray[np.float32]
    source: Path | None = None
    frame: int | None = None
    time_s: float | None = None

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Bool ``[H, W]``: what is more likely object than ground."""
        return self.probability >= THRESHOLD

    @property
    def object_share(self) -> float:
        """Share of the image's pixels that are object, in [0, 1]."""
        return float(self.mask.mean())

    def overlay(self) -> Image.Image:
        """The image with the object in orange."""
        return Image.fromarray(overlay(self.image, self.probability))

    def save(self, folder: str | Path, name: str = "") -> tuple[Path, Path]:
        """Write the map and the overlay as PNG.

        Args:
            folder: made where it is missing.
            name: of the files without extension (default: the image's own, else ``prediction``);
                the number of a video's frame follows it.

        Returns:
            ``NAME.png``, grey, 0 is ground and 255 is object, and ``NAME_overlay.png``.

        Raises:
            StorageError: a file cannot be written.
        """
        name = name or (self.source.stem if self.source else "prediction")
        name += "" if self.frame is None else f"_{self.frame:06d}"
        home = Path(folder)
        make_folder(home)
        paths = home / f"{name}.png", home / f"{name}_overlay.png"
        write_probability(paths[0], self.probability)
        write_overlay(paths[1], self.image, self.probability)
        return paths

    def _repr_html_(self) -> str:
        picture = self.overlay()
        picture.thumbnail((_PREVIEW, _PREVIEW))
        out = io.BytesIO()
        picture.save(out, "PNG")
        data = base64.b64encode(out.getvalue()).decode()
        height, width = self.probability.shape
        words = f"{width} x {height} px, {self.object_share:.1%} object"
        return (
            f'<figure><img src="data:image/png;base64,{data}">'
            f"<figcaption>{words}</figcaption></figure>"
        )
