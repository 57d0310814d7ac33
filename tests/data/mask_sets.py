"""Data sets of one scene's masks, in the many ways in which people store them."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

__all__ = ["SETS", "filtered", "save_set", "truth"]

Bool = NDArray[np.bool_]
Store = Callable[[Bool, int], "Image.Image | NDArray[np.generic]"]


def truth(number: int) -> Bool:
    """The object of picture ``number``, bool ``[96, 128]``: an ellipse that touches no edge."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:96, :128]
    middle, radius = (rng.integers(40, 56), rng.integers(52, 76)), rng.uniform(16, 30)
    return np.asarray((y - middle[0]) ** 2 / 1.5 + (x - middle[1]) ** 2 < radius**2)


def filtered(mask: Bool, kind: Callable[[int], ImageFilter.Filter], size: int = 5) -> Bool:
    """A mask made wider (``ImageFilter.MaxFilter``) or narrower (``MinFilter``)."""
    return np.asarray(Image.fromarray(mask).convert("L").filter(kind(size))) > 0


def ring(mask: Bool) -> Bool:
    wide, narrow = filtered(mask, ImageFilter.MaxFilter), filtered(mask, ImageFilter.MinFilter)
    return np.asarray(wide & ~narrow)


def levels(on: int, off: int = 0, void: int | None = None, dtype: str = "uint8") -> Store:
    def store(mask: Bool, _: int) -> NDArray[np.generic]:
        values = np.where(mask, on, off)
        if void is not None:
            values[ring(mask)] = void
        return values.astype(dtype)

    return store


def soft(top: int, colour: tuple[int, int, int] | None = None) -> Store:
    def store(mask: Bool, _: int) -> Image.Image:
        grey = Image.fromarray(mask * np.uint8(top)).filter(ImageFilter.GaussianBlur(1))
        if colour is None:
            return grey
        return Image.fromarray(
            (np.asarray(grey)[..., None] * (np.array(colour) / 255)).astype("uint8")
        )

    return store


def indexed(colours: dict[int, tuple[int, int, int]], values: Store) -> Store:
    def store(mask: Bool, number: int) -> Image.Image:
        index = np.asarray(values(mask, number), dtype=np.uint8)
        picture = Image.frombytes("P", index.shape[::-1], index.tobytes())
        palette = np.zeros((256, 3), dtype=np.uint8)
        for code, colour in colours.items():
            palette[code] = colour
        picture.putpalette(palette.tobytes())
        return picture

    return store


def as_rgb(inner: Store) -> Store:
    def store(mask: Bool, number: int) -> Image.Image:
        picture = inner(mask, number)
        assert isinstance(picture, Image.Image)
        return picture.convert("RGB")

    return store


def blended(colour: tuple[int, int, int], ground: tuple[int, int, int], radius: float) -> Store:
    """Two colours with soft edges, which have few shades where the radius is small."""

    def store(mask: Bool, _: int) -> Image.Image:
        soft = Image.fromarray(mask * np.uint8(255)).filter(ImageFilter.GaussianBlur(radius))
        share = np.asarray(soft)[..., None] / 255
        return Image.fromarray(
            np.rint(share * colour + (1 - share) * np.array(ground)).astype("uint8")
        )

    return store


def as_palette(inner: Store, colours: int) -> Store:
    def store(mask: Bool, number: int) -> Image.Image:
        picture = inner(mask, number)
        assert isinstance(picture, Image.Image)
        return picture.quantize(colours)

    return store


def coloured(*colours: tuple[int, int, int], ground: tuple[int, int, int] = (0, 0, 0)) -> Store:
    def store(mask: Bool, number: int) -> NDArray[np.generic]:
        pixels = np.full((*mask.shape, 3), ground, dtype=np.uint8)
        pixels[mask] = colours[number % len(colours)]
        return pixels

    return store


def _alpha(mask: Bool, _: int) -> NDArray[np.generic]:
    return np.dstack([np.zeros((*mask.shape, 3), np.uint8), mask * np.uint8(255)])


def _cut_out(mask: Bool, number: int) -> NDArray[np.generic]:
    photo = np.random.default_rng(number).integers(0, 256, (*mask.shape, 3), dtype=np.uint8)
    return np.dstack([photo, mask * np.uint8(255)])


def _grey_alpha(mask: Bool, _: int) -> NDArray[np.generic]:
    return np.dstack([np.full(mask.shape, 255, np.uint8), mask * np.uint8(255)])


def _classes(mask: Bool, number: int) -> NDArray[np.generic]:
    return mask * np.uint8(1 + 9 * (number % 10))


def _instances(mask: Bool, number: int) -> NDArray[np.generic]:
    left = np.arange(mask.shape[1]) < 64
    return np.where(mask, np.where(left, 1 + number, 2 + number), 0).astype(np.uint8)


def _one_of_another_class(mask: Bool, number: int) -> NDArray[np.generic]:
    return mask * np.uint8(2 if number == 3 else 1)


def _one_in_forty(mask: Bool, number: int) -> NDArray[np.generic]:
    return mask * np.uint8(1 if number == 3 else 255)


def _was_jpeg(mask: Bool, _: int) -> Image.Image:
    out = io.BytesIO()
    Image.fromarray(mask * np.uint8(255)).save(out, "JPEG", quality=80)
    return Image.open(out).convert("L")


def _webp(mask: Bool, _: int) -> Image.Image:
    out = io.BytesIO()
    Image.fromarray(mask * np.uint8(255)).convert("RGB").save(out, "WEBP", quality=60)
    return Image.open(out).convert("RGB")


def _quantised(mask: Bool, _: int) -> Image.Image:
    return Image.fromarray(coloured((200, 30, 40))(mask, 0)).quantize(4)


def _one_bit(mask: Bool, _: int) -> NDArray[np.generic]:
    return mask


def _floats(mask: Bool, _: int) -> NDArray[np.generic]:
    return mask.astype(np.float32)


def _float_classes(mask: Bool, number: int) -> NDArray[np.generic]:
    return mask * np.float32(1 + number % 2)


_VOC = {8: (64, 0, 0), 15: (192, 128, 128), 7: (128, 128, 128), 255: (224, 224, 192)}
_ADE = {0: (120, 120, 120), 1: (180, 120, 120), 2: (6, 230, 230)}

SETS: dict[str, tuple[Store, str]] = {
    "0/1": (levels(1), "png"),
    "0/255": (levels(255), "png"),
    "one bit": (_one_bit, "png"),
    "one of 40 is 0/1": (_one_in_forty, "png"),
    "0/100": (levels(100), "png"),
    "0/254": (levels(254), "png"),
    "0/127": (levels(127), "png"),
    "0/128": (levels(128), "png"),
    "0/1 with void 255": (levels(1, void=255), "png"),
    "0/255 with void 128": (levels(255, void=128), "png"),
    "0/1 with void -1": (levels(1, void=-1, dtype="int32"), "tif"),
    "trimap of Oxford": (levels(1, 2, 3), "png"),
    "trimap of Oxford less 1": (levels(0, 1, 2), "png"),
    "MATLAB's labels 1/2": (levels(2, 1), "png"),
    "soft edges": (soft(255), "png"),
    "soft edges to 100": (soft(100), "png"),
    "soft red edges": (soft(255, (255, 0, 0)), "png"),
    "soft edges of a red line tool": (blended((255, 0, 0), (0, 0, 0), 0.6), "png"),
    "soft edges of a red palette": (as_palette(blended((255, 0, 0), (0, 0, 0), 0.8), 32), "png"),
    "soft edges, blue on white": (blended((0, 0, 255), (255, 255, 255), 0.6), "png"),
    "soft edges, green on grey": (blended((0, 160, 0), (128, 128, 128), 0.8), "png"),
    "blue on white JPEG": (blended((0, 0, 255), (255, 255, 255), 0.1), "jpg"),
    "yellow on purple JPEG": (blended((253, 231, 37), (68, 1, 84), 0.1), "jpg"),
    "JPEG": (levels(255), "jpg"),
    "JPEG of 0/100": (levels(100), "jpg"),
    "JPEG of 0/128": (levels(128), "jpg"),
    "red JPEG": (coloured((255, 0, 0)), "jpg"),
    "PNG that was a JPEG": (_was_jpeg, "png"),
    "PNG that was a lossy WebP": (_webp, "png"),
    "matting, void 1 around 2": (levels(2, void=1), "png"),
    "contour, void 2 around 1": (levels(1, void=2), "png"),
    "void 0 between 1 and 2": (levels(2, 1, void=0), "png"),
    "16 bit, void 7 around 900": (levels(900, void=7, dtype="uint16"), "png"),
    "0/1, and one of another class": (_one_of_another_class, "png"),
    "floats of classes": (_float_classes, "tif"),
    "class ids to 90": (_classes, "png"),
    "instance ids": (_instances, "png"),
    "VOC's cat": (indexed(_VOC, levels(8, void=255)), "png"),
    "VOC's person": (indexed(_VOC, levels(15, void=255)), "png"),
    "VOC's car, a grey": (indexed(_VOC, levels(7, void=255)), "png"),
    "VOC as RGB": (as_rgb(indexed(_VOC, levels(8, void=255))), "png"),
    "palette, ground not black": (indexed(_ADE, levels(1)), "png"),
    "palette as quantised": (_quantised, "png"),
    "palette of one colour": (indexed({}, levels(3)), "png"),
    "red, green or white": (coloured((255, 0, 0), (0, 200, 0), (255, 255, 255)), "png"),
    "dark red on blue": (coloured((60, 0, 0), ground=(0, 0, 90)), "png"),
    "mask in alpha": (_alpha, "png"),
    "cut out along alpha": (_cut_out, "png"),
    "grey and alpha": (_grey_alpha, "png"),
    "16 bit 0/65535": (levels(65535, dtype="uint16"), "png"),
    "16 bit 0/1000": (levels(1000, dtype="uint16"), "png"),
    "floats": (_floats, "tif"),
    "NumPy, bool": (_one_bit, "npy"),
    "NumPy, int64": (levels(1, void=255, dtype="int64"), "npy"),
}
"""Name -> how a mask is stored, and the extension."""


def save_set(folder: Path, name: str, count: int) -> list[Path]:
    """Masks of pictures 0 to ``count``, stored in one of the ways of :data:`SETS`."""
    store, extension = SETS[name]
    paths = [folder / f"s{number}.{extension}" for number in range(count)]
    for number, path in enumerate(paths):
        stored = store(truth(number), number)
        if extension == "npy":
            np.save(path, np.asarray(stored))
            continue
        picture = stored if isinstance(stored, Image.Image) else Image.fromarray(stored)
        picture.save(path)
    return paths
