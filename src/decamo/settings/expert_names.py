"""What the experts are called; no torch, so that a report can name them."""

__all__ = ["EXPERT_KINDS", "expert_name", "level_name"]

# In the order of the network's kinds; the n-th turn of all kinds looks at a larger scale.
EXPERT_KINDS = (
    "texture",
    "global context",
    "contrast",
    "frequency",
    "edges",
    "wide texture",
    "strips",
)


def expert_name(index: int) -> str:
    """The kind of the expert of that index, from 0: ``texture``, from 7 on ``texture, scale 2``."""
    turn, kind = divmod(index, len(EXPERT_KINDS))
    return EXPERT_KINDS[kind] + (f", scale {turn + 1}" if turn else "")


def level_name(index: int) -> str:
    """The pyramid level of that index, from 0: ``stride 4``, the finest, up to ``stride 32``."""
    return f"stride {4 * 2**index}"
