"""Learning rates as people write them."""

from decamo.settings import shown

__all__ = ["rounded", "told"]


def rounded(rate: float) -> float:
    """Two significant digits."""
    return float(f"{rate:.2g}")


def told(rate: float) -> str:
    """Two significant digits without an exponent: ``0.000013``."""
    return shown(rounded(rate))
