"""Best, median and worst validation cases as a part of a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from decamo.report.experts_section import Sheet
from decamo.report.page import escaped

__all__ = ["GALLERY_STYLE", "Gallery", "Shot", "gallery_section"]

GALLERY_STYLE = """
.cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:1rem}
.cases .pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:.3rem}
.cases img{width:100%;min-width:0;height:auto;aspect-ratio:4/3;object-fit:contain;display:block;
overflow:hidden;overflow-wrap:anywhere;background:var(--card);border-radius:.3rem}
@media print{.cases{grid-template-columns:repeat(3,minmax(0,1fr))}}
.cases figcaption{margin-top:.25rem;font-size:.875rem;overflow-wrap:anywhere}
.swatch{display:inline-block;width:1.6rem;border-top:3px solid #00a8c4;vertical-align:middle}
.swatch.dashed{border-top:3px dashed #ff4000}
"""


@dataclass(frozen=True)
class Shot:
    """One case.

    Attributes:
        sort: ``best``, ``median`` or ``worst``.
        name: of the image, with its data set.
        iou: in [0, 1].
        image: a small JPEG, base64.
        outlines: the same with the true outline in cyan and the predicted one in dashed orange.
    """

    sort: str
    name: str
    iou: float
    image: str
    outlines: str


@dataclass(frozen=True)
class Gallery:
    """Cases, or why there are none.

    Attributes:
        shots: best, median, worst, each sort together.
        source: which weights on which images, for people.
        missing: why there are no cases; empty where there are.
        ious: IoU of every validation image, ascending.
        sheets: where each expert fires on the first of each sort; shown among the experts.
    """

    shots: Sequence[Shot] = ()
    source: str = ""
    missing: str = ""
    ious: Sequence[float] = ()
    sheets: Sequence[Sheet] = ()


def gallery_section(gallery: Gallery) -> str:
    """The cases as HTML, or a sentence that says why there are none."""
    head = '<section><h2 id="cases">Validation cases</h2>'
    if gallery.missing:
        return f'{head}<p class="soft">No pictures: {escaped(gallery.missing)}.</p></section>'
    sorts = "".join(
        f"<h3>{escaped(sort.capitalize())}</h3>"
        f'<div class="cases">{"".join(map(_shot, shots))}</div>'
        for sort, shots in groupby(gallery.shots, key=lambda s: s.sort)
    )
    return (
        f'{head}<p class="soft">{escaped(gallery.source)}</p>'
        '<p><span class="swatch"></span> true outline &nbsp; '
        f'<span class="swatch dashed"></span> predicted outline</p>{sorts}</section>'
    )


def _shot(shot: Shot) -> str:
    name = escaped(shot.name)
    pictures = "".join(
        f'<img alt="{name}, {what}" loading="lazy" src="data:image/jpeg;base64,{data}">'
        for what, data in (("the image", shot.image), ("true and predicted outline", shot.outlines))
    )
    return (
        f'<figure><div class="pair">{pictures}</div>'
        f"<figcaption><b>IoU {shot.iou:.3f}</b> {name}</figcaption></figure>"
    )
