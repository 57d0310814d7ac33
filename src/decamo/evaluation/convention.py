"""By which convention maps are scored: that of the field's published tables, or maps as they are.

What the field's toolboxes do, with the commands that show it, is in docs/protocol.md.
"""

from enum import StrEnum

__all__ = ["Convention", "NonCam"]


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
