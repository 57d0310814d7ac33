"""Pillow's many modes -> RGB bytes and boolean masks."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["to_mask", "to_rgb"]

_ALPHA = ("LA", "PA", "RGBA")


def to_rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Any decoded picture as uint8 ``[H, W, 3]`` RGB; see ``read_image`` for the rule."""
    if picture.mode.startswith("I"):
        wide = np.clip(np.asarray(picture, dtype=np.int64), 0, 65535)
        return _grey_to_rgb((wide + 128) // 257)
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0, neginf=0)
        scale = 255 if values.max(initial=0) <= 1 else 1
        return _grey_to_rgb(np.clip(np.rint(values * scale), 0, 255))
    if picture.mode in _ALPHA or (picture.mode == "P" and "transparency" in picture.info):
        picture = picture.convert("RGBA")  # P -> RGB at once would warn about its transparency
    # most are RGB, and convert() would copy them all the same
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"), dtype=np.uint8)


def to_mask(picture: Image.Image, *, lossy: bool) -> NDArray[np.bool_]:
    """Any decoded picture as bool ``[H, W]``; see ``read_mask`` for the rule.

    Args:
        picture: the mask, decoded.
        lossy: whether its values went through a lossy codec (JPEG).
    """
    if picture.mode == "P":
        return _palette_mask(picture)
    if picture.mode in _ALPHA:
        rgba = np.asarray(picture.convert("RGBA"))
        alpha = rgba[..., 3]
        plain = bool((rgba[..., :3] == rgba[:1, :1, :3]).all())
        if plain and alpha.min() != alpha.max():
            return _on(alpha, lossy)
        return _on(np.asarray(picture.convert("RGBA").convert("RGB").convert("L")), lossy)
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture), nan=0, posinf=0, neginf=0)
        return np.asarray(values >= (0.5 if values.max(initial=0) <= 1 else 128))
    if picture.mode.startswith("I"):
        wide = np.asarray(picture, dtype=np.int64)
        return wide >= 32768 if wide.max(initial=0) > 255 else _on(wide, lossy)
    if picture.mode == "1":
        return np.array(picture, dtype=np.bool_)
    grey = picture if picture.mode == "L" else picture.convert("RGB").convert("L")
    return _on(np.asarray(grey), lossy)


def _palette_mask(picture: Image.Image) -> NDArray[np.bool_]:
    index = np.asarray(picture)
    colours = np.zeros(256, dtype=np.uint8)
    palette = np.array(picture.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    colours[: len(palette)] = palette.max(axis=1, initial=0)
    if colours.max() <= 1:
        return index > 0
    return _on(colours[index], lossy=False)


def _on(grey: NDArray[np.integer], lossy: bool) -> NDArray[np.bool_]:
    """0/1 values by > 0, 0..255 values by >= 128; a codec's ringing is never a 0/1 mask."""
    if not lossy and grey.max(initial=0) <= 1:
        return np.asarray(grey > 0)
    return np.asarray(grey >= 128)


def _grey_to_rgb(grey: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
