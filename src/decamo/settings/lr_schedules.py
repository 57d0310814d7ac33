"""Learning-rate schedules by name: the built-in ones, and those that somebody registers."""

from collections.abc import Callable

from decamo.errors import SettingsError

__all__ = ["BUILT_IN", "Height", "height_of", "lr_schedule_names", "register_lr_schedule"]

BUILT_IN = ("onecycle", "cosine", "cosine_restart", "none")

Height = Callable[[float], float]
"""Share of the steps that are done, from 0 to 1 -> height between floor (0) and peak (1)."""

_REGISTERED: dict[str, Height] = {}
_LOOKS = 101  # places at which a height is looked at


def register_lr_schedule(name: str, height: Height) -> None:
    """Make a schedule known by a name that ``--scheduler`` settings may then have.

    It is a pure function, so that a resumed run has the rates of one that was never stopped. The
    warm-up comes before it. A checkpoint keeps the name alone: whoever resumes registers it again.

    Args:
        name: not a built-in one.
        height: of the share of steps that are done; 0 is ``--min-lr`` and 1 is the peak.

    Raises:
        SettingsError: the name is a built-in one, or a height is outside of [0, 1].

    Example:
        >>> decamo.register_lr_schedule("poly", lambda done: (1 - done) ** 0.9)
        >>> laid = decamo.plan(images=80, epochs=2, skip_stage1=True, scheduler="poly")
        >>> last = laid.resumption.lineage.plan.end_step - 1
        >>> round(laid.lr(0), 6), round(laid.lr(last), 6)
        (0.0002, 1e-05)
    """
    if name in BUILT_IN:
        raise SettingsError(name, "is a built-in schedule", "choose another name")
    for number in range(_LOOKS):
        done = number / (_LOOKS - 1)
        if not 0 <= height(done) <= 1:
            raise SettingsError(
                name, f"has the height {height(done)!r} at {done:g}", "stay between 0 and 1"
            )
    _REGISTERED[name] = height


def lr_schedule_names() -> tuple[str, ...]:
    """All names that are known now."""
    return (*BUILT_IN, *_REGISTERED)


def height_of(name: str, flag: str = "--scheduler") -> Height | None:
    """A registered schedule; None for a built-in one.

    Args:
        name: of the schedule.
        flag: that asks for it, for the error.

    Raises:
        SettingsError: nothing of that name.
    """
    if name in BUILT_IN:
        return None
    if name not in _REGISTERED:
        known = ", ".join(lr_schedule_names())
        raise SettingsError(flag, f"got {name!r}", f"register it, or choose from {known}")
    return _REGISTERED[name]
