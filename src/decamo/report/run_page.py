"""A run as one self-contained HTML page: verdict, figures, curves, cases, lineage, settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from decamo import __version__
from decamo.diagnosis import Advice, Diagnosis
from decamo.diagnosis.fan import LEVELS
from decamo.diagnosis.forecast import Forecast
from decamo.history import TrainingLog
from decamo.report.advice_section import (
    ADVICE_STYLE,
    VERDICT_STYLE,
    advice_section,
    verdict_section,
)
from decamo.report.experts_section import (
    EXPERTS_STYLE,
    GALLERY_STYLE,
    Gallery,
    experts_section,
    gallery_section,
)
from decamo.report.page import escaped, page
from decamo.report.race_section import RaceTold, race_section
from decamo.report.run_figures import (
    best_point,
    epoch_table,
    file_table,
    lineage_table,
    run_charts,
    settings_table,
)
from decamo.report.svg_heat import HEAT_STYLE
from decamo.report.svg_parts import CHART_STYLE, ChartFan
from decamo.settings.words import duration
from decamo.storage.run_folder import Content

__all__ = ["Findings", "part", "run_page", "standing"]

_STYLE = (
    CHART_STYLE
    + HEAT_STYLE
    + GALLERY_STYLE
    + EXPERTS_STYLE
    + VERDICT_STYLE
    + ADVICE_STYLE
    + """
header{margin:.5rem 0 1.2rem}header p{overflow-wrap:anywhere}
.eyebrow{font-size:.8rem;letter-spacing:.06em;text-transform:uppercase;color:var(--soft)}
.tiles{margin:1.2rem 0}.tile .soft{font-size:.875rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1.6rem}
.plot{min-width:0}.plot.whole{grid-column:1/-1}.ahead{margin-bottom:1rem}.slim{display:none}
.charts{margin-bottom:1.2rem}
.plot figcaption{display:flex;flex-wrap:wrap;gap:.1rem 1rem;align-items:baseline;
margin-bottom:.3rem;font-size:.9rem}
.keys{display:flex;flex-wrap:wrap}
.long{white-space:normal;overflow-wrap:anywhere;display:inline-block;min-width:8rem;
max-width:26rem}
details.fold{border-top:1px solid var(--line);padding:.6rem 0}
details.fold>summary{font-weight:600;font-size:1.05rem}
footer{margin:2.5rem 0 1rem;border-top:1px solid var(--line);padding-top:.6rem}
@media(max-width:40rem){.broad{display:none}.slim{display:block}
.verdict{padding:.7rem}table{font-size:.8125rem}th{white-space:normal}
th,td{padding:.2rem .25rem}.long{min-width:6rem}.tile{flex-basis:40%}}
@media print{.paperless{display:none}}
"""
)


@dataclass(frozen=True)
class Findings:
    """What is known of a run beside its past.

    Attributes:
        diagnosis: what ails it, if anything does.
        gallery: its validation cases; None leaves the part out.
        files: what lies in its folder.
        forecast: what it will come to; None leaves the part out.
        advice: what to do; None leaves the part out.
        made: when the page was made, for people.
        races: of branches, held in its folder.
    """

    diagnosis: Diagnosis
    gallery: Gallery | None = None
    files: Sequence[Content] = ()
    forecast: Forecast | None = None
    advice: Advice | None = None
    made: str = ""
    races: Sequence[RaceTold] = ()


def run_page(past: TrainingLog, findings: Findings) -> str:
    """The page: no script, no request to anywhere, readable on a phone and on paper."""
    name = PurePath(past.source).name or past.source or "a run"
    parts = [
        _header(name, past),
        "<main>",
        verdict_section(findings.diagnosis),
        _tiles(past, findings),
        advice_section(findings.advice) if findings.advice else "",
        _curves(past, findings),
        race_section(findings.races),
        gallery_section(findings.gallery) if findings.gallery else "",
        experts_section(past, findings.gallery.sheets if findings.gallery else ()),
        _lineage(past, findings.diagnosis),
        _folded("Settings", _settings(past), open_=False),
        _folded("Files", file_table(findings.files) if findings.files else "", open_=False),
        "</main>",
        f'<footer class="soft">decamo {__version__}{escaped(findings.made)}</footer>',
    ]
    return page(f"{name}: {findings.diagnosis.kind.value.replace('_', ' ')}", parts, _STYLE)


def part(diagnosis: Diagnosis | None = None, advice: Advice | None = None, charts: str = "") -> str:
    """Some of the page as HTML that stands by itself in a notebook.

    Args:
        diagnosis: its verdict; None for none.
        advice: what to do; None for none.
        charts: of :func:`~decamo.report.run_figures.run_charts`.
    """
    body = [
        verdict_section(diagnosis) if diagnosis else "",
        advice_section(advice) if advice else "",
        charts,
    ]
    # A document of its own: a notebook's style must not reach in, nor this one out.
    whole = escaped(page("decamo", body, _STYLE), lines=True)
    return f'<iframe srcdoc="{whole}" width="100%" height="640" style="border:0"></iframe>'


def _header(name: str, past: TrainingLog) -> str:
    source = f'<p class="soft">{escaped(past.source)}</p>' if past.source != name else ""
    return (
        f'<header><p class="eyebrow">decamo, report of a run</p><h1>{escaped(name)}</h1>{source}'
        f"<p>{escaped(standing(past))}</p></header>"
    )


def standing(past: TrainingLog) -> str:
    """How far the run is, in a sentence."""
    if not past.points:
        return "No epoch is finished: there is nothing to draw yet."
    last = past.points[-1].epoch
    end = past.stretches[-1].planned_end if past.stretches else None
    if end is None:
        return f"Epochs {past.points[0].epoch} to {last}; how many were planned is not known."
    if last < end:
        return f"Epoch {last} of {end} is finished: the run was interrupted or is still under way."
    return f"All {end} epochs are finished."


def _tiles(past: TrainingLog, findings: Findings) -> str:
    tiles = "".join(
        f'<div class="tile">{name}<b>{value}</b><span class="soft">{remark}</span></div>'
        for name, value, remark in _figures(past, findings)
    )
    return f'<section class="tiles" aria-label="key figures">{tiles}</section>' if tiles else ""


def _figures(past: TrainingLog, findings: Findings) -> Iterator[tuple[str, str, str]]:
    points, target = past.points, findings.diagnosis.target
    best = best_point(points)
    if best is not None and best.iou is not None:
        last = [p for p in points if p.known("iou") is not None][-1]
        yield "Best IoU", f"{best.iou:.4f}", f"epoch {best.epoch}"
        yield "Last IoU", f"{last.iou:.4f}", f"epoch {last.epoch}"
        if target is not None:
            gap = target - best.iou
            remark = f"target {target:g}"
            yield "To the target", "reached" if gap <= 0 else f"{gap:.4f}", remark
    outlook = findings.forecast
    if outlook is not None and outlook.chance is not None and 0 < outlook.chance < 1:
        yield "Chance of it", f"{outlook.chance:.0%}", f"by epoch {outlook.end}"
    if points:
        end = past.stretches[-1].planned_end if past.stretches else None
        yield "Epochs", f"{points[-1].epoch}", f"of {end} planned" if end else "so far"
    seconds = [s for p in points if (s := p.known("seconds")) is not None]
    if seconds:
        yield "Time", duration(sum(seconds)), f"{duration(sum(seconds) / len(seconds))} an epoch"


def _curves(past: TrainingLog, findings: Findings) -> str:
    foreseen = findings.forecast
    charts = run_charts(past, findings.diagnosis.target, _fan(foreseen))
    if not charts:
        return ""
    ahead = f'<p class="ahead">Forecast: {escaped(foreseen.sentence)}</p>' if foreseen else ""
    every = (
        '<details class="fold paperless"><summary>Every epoch as a table</summary>'
        f"{epoch_table(past.points)}</details>"
    )
    return f"<section><h2>Curves</h2>{ahead}{charts}{every}</section>"


def _fan(forecast: Forecast | None) -> ChartFan | None:
    if forecast is None or not forecast.epochs:
        return None
    columns = zip(LEVELS, zip(*forecast.fan, strict=True), strict=True)
    return ChartFan(forecast.epochs, dict(columns))


def _lineage(past: TrainingLog, diagnosis: Diagnosis) -> str:
    seen = "".join(f"<li>{escaped(fact)}</li>" for fact in diagnosis.seen)
    return f"<section><h2>Lineage</h2>{lineage_table(past)}<ul>{seen}</ul></section>"


def _settings(past: TrainingLog) -> str:
    settings = past.stretches[-1].settings if past.stretches else {}
    return settings_table(settings) if settings else ""


def _folded(title: str, content: str, *, open_: bool) -> str:
    if not content:
        return ""
    opened = " open" if open_ else ""
    return f'<details class="fold"{opened}><summary>{title}</summary>{content}</details>'
