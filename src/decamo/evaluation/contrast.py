"""How far an object's colour lies from that of the ground around it."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["ring_contrast"]

# sRGB (IEC 61966-2-1), D65: linear RGB -> XYZ over the white point; then CIELAB (CIE 15:2004).
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)


def ring_contrast(
    image: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], width: int
) -> float | None:
    """CIE76 colour difference between the mean colour of the object and that of a ring around it.

    About 2.3 is what an eye can just tell. Texture does not count: two patterns of one mean colour
    have contrast 0.

    Args:
        image: RGB uint8 ``[H, W, 3]``.
        mask: bool ``[H, W]``, the object.
        width: of the ring of ground around it, in px.

    Returns:
        At least 0; None where there is no object or no ring.
    """
    if not mask.any() or mask.all():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (
        slice(max(rows[0] - width, 0), rows[-1] + width + 1),
        slice(max(columns[0] - width, 0), columns[-1] + width + 1),
    )
    inside, pixels = mask[box], image[box]
    if inside.all():
        return None
    ring = ~inside & (ndimage.distance_transform_edt(~inside) <= width)
    first, second = (_lab(_LINEAR[pixels[where]].mean(axis=0)) for where in (inside, ring))
    return float(np.linalg.norm(first - second))


def _lab(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Linear RGB ``[3]`` in [0, 1] -> CIELAB ``[3]``."""
    xyz = _XYZ @ linear
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
