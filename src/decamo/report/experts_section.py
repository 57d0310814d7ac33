"""Cases of a run, and where its experts fire, as parts of a page.

The cases are the best, median and worst of validation; experts are shown over epochs, by level, and
where on an image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from decamo.history import Point, TrainingLog
from decamo.report.page import escaped, plot, table
from decamo.report.svg_chart import draw_chart
from decamo.report.svg_heat import heat_map
from decamo.report.svg_parts import Chart, Line, key
from decamo.settings.expert_names import expert_name
from decamo.settings.words import level_name

__all__ = [
    "EXPERTS_STYLE",
    "GALLERY_STYLE",
    "Gallery",
    "Sheet",
    "Shot",
    "experts_section",
    "gallery_section",
]

EXPERTS_STYLE = """
.gate{margin:0 -.3rem;padding:0 .3rem;border-radius:.2rem;display:inline-block;min-width:3.6rem;
background:color-mix(in srgb,var(--s1) calc(var(--p)*1%),transparent);
print-color-adjust:exact;-webkit-print-color-adjust:exact}
.sheet{margin:.8rem 0}.sheet img{min-width:44rem;width:100%;height:auto;display:block;
border-radius:.3rem;background:#fff}
"""

_ENTROPY = "Routing entropy: does an image use few experts?"
_BALANCE = "Balance: do all experts have their images?"


@dataclass(frozen=True)
class Sheet:
    """Where each expert fires on one case.

    Attributes:
        sort: ``best``, ``median`` or ``worst``.
        name: of the image, with its data set.
        iou: in [0, 1].
        picture: a JPEG, base64.
    """

    sort: str
    name: str
    iou: float
    picture: str


def experts_section(past: TrainingLog, sheets: Sequence[Sheet] = ()) -> str:
    """All that is known of the experts as HTML; empty where nothing is, or one has no choice."""
    kinds = _kinds(past)
    figures = _use(past.points, kinds) + _routing(past.points)
    charts = f'<div class="charts">{figures}</div>' if figures else ""
    shown = charts + _gates(past.points, kinds) + _sheets(sheets)
    return f'<section><h2 id="experts">Experts</h2>{shown}</section>' if shown else ""


def _kinds(past: TrainingLog) -> list[str]:
    """Names of the experts where the run chose them; empty for the built-in ones in turn."""
    settings = past.stretches[-1].settings if past.stretches else {}
    return [str(name) for name in settings.get("model", {}).get("experts") or ()]


def _use(points: Sequence[Point], kinds: Sequence[str]) -> str:
    used = [p for p in points if p.usage]
    used = [p for p in used if len(p.usage) == len(used[-1].usage)]
    count = len(used[-1].usage) if used else 0
    if count < 2:
        return ""
    names = [expert_name(n, kinds) for n in range(count)]
    picture = heat_map(
        "use of the experts", [p.epoch for p in used], [p.usage for p in used], names=names
    )
    legend = (
        f'<span class="soft">mean gate in training, a row each; fair is {1 / count:.1%}, at right'
        " the last epoch</span>"
    )
    return plot("Use of the experts", legend, picture)


def _routing(points: Sequence[Point]) -> str:
    """Two charts with a line for each level; 1 is the highest entropy there is."""
    known = [p for p in points if _several(p)]
    known = [p for p in known if len(p.gates) == len(known[-1].gates)]
    if not known:
        return ""
    drawn = ""
    for title, what in ((_ENTROPY, "routing_entropy"), (_BALANCE, "routing_balance")):
        rows = [(p.epoch, row) for p in known if (row := getattr(p, what))]
        lines = [
            Line(level_name(level), [(epoch, row[level]) for epoch, row in rows], 1 + level % 6)
            for level in range(len(known[-1].gates))
        ]
        if rows:
            drawn += plot(title, key(lines), draw_chart(Chart(title, lines)))
    return drawn


def _several(point: Point) -> bool:
    return bool(point.gates) and len(point.gates[0]) > 1


def _gates(points: Sequence[Point], kinds: Sequence[str]) -> str:
    """The last known mean gates, a row for each expert and a column for each level."""
    last = next((p for p in reversed(points) if p.gates), None)
    if last is None or not _several(last):
        return ""
    count = len(last.gates[0])
    rows = [
        [escaped(expert_name(e, kinds)), *(_cell(level[e], count) for level in last.gates)]
        for e in range(count)
    ]
    for name, shares in (
        ("routing entropy", last.routing_entropy),
        ("balance", last.routing_balance),
    ):
        if shares:
            rows.append([f"<b>{name}</b>", *(f"{share:.3f}" for share in shares)])
    caption = (
        f"Mean gate over the validation images at epoch {last.epoch}; fair is {1 / count:.1%}."
        " Routing entropy is the mean over images: 0 is one expert an image, 1 all alike. Balance"
        " is the entropy of the mean gates: 1 is all experts alike over the images, even if each"
        " image uses few."
    )
    heads = ["expert", *(level_name(n) for n in range(len(last.gates)))]
    return table(heads, rows, caption)


def _cell(share: float, count: int) -> str:
    """As dark as the heat over epochs: full from twice the fair share on."""
    strength = min(max(50 * share * count, 0.0), 100.0) * 0.7  # letters stay readable
    return f'<span class="gate" style="--p:{strength:.0f}">{share:.1%}</span>'


def _sheets(sheets: Sequence[Sheet]) -> str:
    if not sheets:
        return ""
    figures = "".join(
        f'<figure class="sheet"><figcaption><b>{escaped(s.sort.capitalize())}, IoU {s.iou:.3f}</b>'
        f' {escaped(s.name)}</figcaption><div class="wide"><img alt="{escaped(s.name)}, where each'
        f' expert fires" loading="lazy" src="data:image/jpeg;base64,{s.picture}"></div></figure>'
        for s in sheets
    )
    return f"<h3>Where they fire</h3>{figures}"


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
