"""Which extensions are those of image files."""

__all__ = ["ARRAY_SUFFIXES", "IMAGE_SUFFIXES", "USUAL_SUFFIXES"]

USUAL_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"))
# Read as well, but where a usual file has the same name it counts alone.
_BESIDE = frozenset((".gif", ".jfif", ".jpe", ".mpo", ".dib", ".pgm", ".ppm", ".pbm", ".pnm"))
IMAGE_SUFFIXES = USUAL_SUFFIXES | _BESIDE
ARRAY_SUFFIXES = frozenset((".npy",))
"""Of masks alone, and likewise where no usual file has the same name."""
