"""Large images in strips of rows, so that nothing as large as all of one is made in between."""

from collections.abc import Iterator

__all__ = ["row_strips"]

_PIXELS = 4_000_000  # of a strip


def row_strips(size: tuple[int, int]) -> Iterator[slice]:
    """Rows of an image of so many px high and wide; all in one strip up to 4 million px."""
    height, width = size
    rows = max(1, _PIXELS // max(1, width))
    yield from (slice(top, min(top + rows, height)) for top in range(0, height, rows))
