"""By which convention maps are scored, and whether two reports that kept to theirs agree.

The conventions are that of the field's published tables, and maps as they are. What the field's
toolboxes do, with the commands that show it, is in docs/protocol.md.
"""

import json
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from decamo.errors import SettingsError

__all__ = [
    "Convention",
    "NonCam",
    "convention_of",
    "differences",
    "read_report",
]


class NonCam(StrEnum):
    """Which images without an object are left out of a score."""

    DROP = "drop"  # empty masks, and what COD10K's file names call NonCAM
    NAMED = "named"  # only what COD10K's file names call NonCAM: papers score its 2,026 CAM images
    NEGATIVES = "negatives"  # none

    def leaves_out(self, *, named: bool, empty: bool) -> bool:
        """Whether an image is left out.

        Args:
            named: whether COD10K's naming calls it NonCAM.
            empty: whether its mask has no object.
        """
        return self is not NonCam.NEGATIVES and (named or (empty and self is NonCam.DROP))


class Convention(StrEnum):
    """How a map becomes a score.

    ``PUBLISHED`` is what pysodmetrics 1.6.2 computes, and but for details of E-measure the MATLAB
    toolbox of the field (CODToolbox, SINet/eval): each map is stretched to [0, 1] by its own
    extremes, a map of a single grey level not; a mask's object are its levels above 128; IoU and
    Dice at 0.5 take values above it; empty masks are scored like others.

    ``PLAIN`` takes a map as probabilities, a mask's levels from 128, values from 0.5, and leaves
    empty masks out. Validation while training scores so, and always has.
    """

    PUBLISHED = "published"
    PLAIN = "plain"

    @property
    def other(self) -> "Convention":
        """The one that this is not."""
        return Convention.PLAIN if self is Convention.PUBLISHED else Convention.PUBLISHED

    @property
    def noncam(self) -> NonCam:
        """Which images it leaves out unless it is asked otherwise."""
        return NonCam.NAMED if self is Convention.PUBLISHED else NonCam.DROP

    @property
    def resizing(self) -> str:
        """How it brings a map of another size to its mask's, where that is allowed."""
        if self is Convention.PUBLISHED:
            return "bilinear to the mask's size as OpenCV does, before the stretch"
        return "bilinear to the mask's size"

    def head(self, *, stretch: bool, noncam: str, by_values: bool | None = False) -> str:
        """One line for the head of a table.

        Args:
            stretch: whether maps are stretched.
            noncam: a value of :class:`NonCam`.
            by_values: whether the masks' values were given a meaning, such as class ids; None: of
                some data sets, not of all.
        """
        maps = "each map stretched to [0, 1]" if stretch else "maps as they are"
        sign = ">" if self is Convention.PUBLISHED else ">="
        mask = {
            True: "mask by the meaning of its values",
            False: f"mask {sign} 128",
            None: "mask as said of each data set",
        }[by_values]
        cuts = f"object is {mask}, and map {sign} 0.5 for IoU and Dice"
        empty = {
            NonCam.DROP: "empty masks and NonCAM left out",
            NonCam.NAMED: "empty masks kept, NonCAM by name left out",
            NonCam.NEGATIVES: "empty masks and NonCAM kept",
        }[NonCam(noncam)]
        like = ", as pysodmetrics" if self is Convention.PUBLISHED and stretch else ""
        return f"{self.value} protocol{like}: {maps}; {cuts}; {empty}"


# What may differ between two scores that are held against each other.
_FREE = ("decamo",)
# What reports said by silence before there was a word for it.
_UNSAID = {"convention": "plain", "reading": "", "meaning": ""}
# What was not measured when the older reports were written.
_LATER = ("ece", "found_share", "object_share")


def read_report(path: Path) -> dict[str, Any]:
    """A report that ``decamo evaluate --json`` wrote.

    Raises:
        SettingsError: it cannot be read or is none.
    """
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        names = [(e["method"], e["dataset"], e["mean"]) for e in report["datasets"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            "--expect", f"{path}: {type(error).__name__}: {error}", "give a file that --json wrote"
        ) from error
    if not names:
        raise SettingsError("--expect", f"{path} holds no score", "give a file that --json wrote")
    return report


def convention_of(report: Mapping[str, Any]) -> Convention:
    """By which convention the scores of a report came about.

    Raises:
        SettingsError: by several, or by one that nobody knows.
    """
    names = {entry.get("protocol", {}).get("convention", "plain") for entry in report["datasets"]}
    try:
        (name,) = names
        return Convention(name)
    except ValueError as error:
        raise SettingsError(
            "--expect",
            f"its scores are by {', '.join(sorted(map(str, names)))}",
            "give a file whose scores are all by the published or all by the plain protocol",
        ) from error


def differences(
    expected: Mapping[str, Any], got: Mapping[str, Any], tolerance: float
) -> tuple[list[str], list[str]]:
    """What has moved between two reports of ``decamo evaluate --json``.

    Args:
        expected: the report written before.
        got: the report of now.
        tolerance: largest move of a mean score that is none.

    Returns:
        Lines that tell each score that moved or is gone and each difference of protocol; and
        remarks, such as another version of decamo, that are no failure.
    """
    before, now = _by_name(expected), _by_name(got)
    moved = [f"{_title(k)}: was scored before, is not now" for k in before if k not in now]
    moved += [f"{_title(k)}: was not scored before" for k in now if k not in before]
    remarks: list[str] = []
    for key in (k for k in before if k in now):
        told = _protocol_moves(before[key].get("protocol", {}), now[key].get("protocol", {}))
        for name, line in told:
            (remarks if name in _FREE else moved).append(f"{_title(key)}: {line}")
        was, new = before[key]["mean"], dict(now[key]["mean"])
        if unmeasured := [name for name in _LATER if name in new and name not in was]:
            remarks.append(f"{_title(key)}: {', '.join(unmeasured)}: not measured before")
            new = {name: value for name, value in new.items() if name not in unmeasured}
        moved += [f"{_title(key)}: {line}" for line in _score_moves(was, new, tolerance)]
    return moved, remarks


def _protocol_moves(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not was or not now:
        was, now = dict(was), dict(now)
    else:
        was, now = _UNSAID | dict(was), _UNSAID | dict(now)
    return [
        (n, f"protocol, {n}: was {was.get(n, 'not told')}, is {now.get(n, 'not told')}")
        for n in sorted(was.keys() | now.keys())
        if was.get(n) != now.get(n)
    ]


def _score_moves(was: Mapping[str, Any], now: Mapping[str, Any], tolerance: float) -> list[str]:
    lines = []
    for name in sorted(was.keys() | now.keys()):
        old, new = was.get(name), now.get(name)
        if old is None or new is None:
            if old is not new:
                lines.append(f"{name}: was {old}, is {new}")
        elif math.isnan(old) != math.isnan(new) or abs(new - old) > tolerance:
            lines.append(f"{name} moved by {new - old:+.3g}: was {old:.8f}, is {new:.8f}")
    return lines


def _by_name(report: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    entries: Sequence[Mapping[str, Any]] = report["datasets"]
    return {(entry["method"], entry["dataset"]): entry for entry in entries}


def _title(key: tuple[str, str]) -> str:
    return " on ".join(key)
