"""Counts as people write them: ``1 image is``, ``2 images are``."""

__all__ = ["counted", "verb"]


def counted(count: int, one: str, many: str = "") -> str:
    """So many of something: ``1 image``, ``0 images``.

    Args:
        count: how many.
        one: its name where it is one, such as ``image`` or ``file without a partner``.
        many: its name where it is not; ``one`` with an s where nothing is given.
    """
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def verb(count: int, one: str = "is", many: str = "are") -> str:
    """The form of a verb that agrees with a count."""
    return one if count == 1 else many
