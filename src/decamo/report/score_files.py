"""Scores as files: a spreadsheet's lines, a Markdown table, a table for a paper."""

import csv
import io
import math
from collections.abc import Sequence

from decamo.evaluation import MEASURES, SetScore
from decamo.report.score_tables import head_text

__all__ = ["scores_csv", "scores_latex", "scores_markdown"]

# The columns of the field's tables since SINet (Fan et al., CVPR 2020), and IoU.
_PAPER = ("s", "weighted_f", "f_mean", "e_mean", "mae", "iou")
_MARKDOWN = {
    "s": "S ↑",
    "weighted_f": "wF ↑",
    "f_mean": "F mean ↑",
    "e_mean": "E mean ↑",
    "mae": "MAE ↓",
    "iou": "IoU ↑",
}
_LATEX = {
    "s": r"$S_\alpha\uparrow$",
    "weighted_f": r"$F_\beta^w\uparrow$",
    "f_mean": r"$F_\beta^m\uparrow$",
    "e_mean": r"$E_\phi\uparrow$",
    "mae": r"$M\downarrow$",
    "iou": r"IoU$\uparrow$",
}
_ESCAPES = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def scores_csv(scores: Sequence[SetScore]) -> str:
    """One line for each measure of each group: tidy, for a spreadsheet or a data frame.

    The protocol leads each line, so that lines of several files can be told apart.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "protocol",
            "method",
            "dataset",
            "by",
            "group",
            "images",
            "measure",
            "value",
            "low",
            "high",
        ]
    )
    for score in scores:
        for group in (score.whole, *score.groups):
            for name in MEASURES:
                ends = group.intervals.get(name, ("", ""))
                writer.writerow(
                    [score.protocol.convention, score.method, score.dataset, group.by, group.name,
                     group.scores.count, name, getattr(group.scores, name), *ends]
                )  # fmt: skip
    return out.getvalue()


def scores_markdown(scores: Sequence[SetScore]) -> str:
    """The protocol; then methods down, measures of each set across, three decimals, best bold."""
    sets, methods, table = _grid(scores)
    heads = [
        f"{head}<br>{name}" if len(sets) > 1 else head
        for name in sets
        for head in _MARKDOWN.values()
    ]
    name = scores[0].protocol.convention
    lines = [
        *(f"{_sentence(line)}\n" for line in head_text(scores).splitlines()),
        _piped([f"method ({name} protocol)", *heads]),
        _piped(["---", *["---:"] * len(heads)]),
    ]
    for method in methods:
        cells = [
            f"**{text}**" if best else text for name in sets for text, best in table[method, name]
        ]
        lines.append(_piped([method.replace("|", "\\|"), *cells]))
    return "\n".join(lines) + "\n"


def scores_latex(scores: Sequence[SetScore]) -> str:
    """A booktabs table as the field's papers print it: 0.871 as ``.871``, the best in bold."""
    sets, methods, table = _grid(scores)
    width = len(_PAPER)
    spans = " & ".join(
        rf"\multicolumn{{{width}}}{{c}}{{{_tex(name)} ({_count(scores, name)} images)}}"
        for name in sets
    )
    rules = "".join(
        rf"\cmidrule(lr){{{2 + i * width}-{1 + (i + 1) * width}}}" for i in range(len(sets))
    )
    heads = " & ".join(head for _ in sets for head in _LATEX.values())
    name = _tex(scores[0].protocol.convention)
    lines = [
        *(f"% {line}" for line in head_text(scores).splitlines()),
        rf"\begin{{tabular}}{{l{'c' * width * len(sets)}}}",
        r"\toprule",
        rf"\textit{{{name} protocol}} & {spans} \\",
        rules,
        rf"Method & {heads} \\",
        r"\midrule",
    ]
    for method in methods:
        cells = [_printed(*cell) for name in sets for cell in table[method, name]]
        lines.append(rf"{_tex(method)} & {' & '.join(cells)} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _grid(
    scores: Sequence[SetScore],
) -> tuple[list[str], list[str], dict[tuple[str, str], list[tuple[str, bool]]]]:
    """Sets, methods, and for each of both the printed paper measures with whether it is best."""
    sets = list(dict.fromkeys(s.dataset for s in scores))
    methods = list(dict.fromkeys(s.method for s in scores))
    table = {(m, d): [("-", False)] * len(_PAPER) for m in methods for d in sets}
    for name in sets:
        rivals = [s for s in scores if s.dataset == name]
        printed = {s.method: [f"{getattr(s.whole.scores, k):.3f}" for k in _PAPER] for s in rivals}
        for method, texts in printed.items():
            table[method, name] = [
                (text, len(rivals) > 1 and text == _best(k, [p[i] for p in printed.values()]))
                for i, (k, text) in enumerate(zip(_PAPER, texts, strict=True))
            ]
    return sets, methods, table


def _best(measure: str, texts: Sequence[str]) -> str:
    """The best as printed, so that what looks equal is bold alike."""
    known = [t for t in texts if not math.isnan(float(t))]
    return (min if measure == "mae" else max)(known, key=float, default="")


def _count(scores: Sequence[SetScore], dataset: str) -> int:
    return next(s.whole.scores.count for s in scores if s.dataset == dataset)


def _printed(text: str, best: bool) -> str:
    short = text.removeprefix("0") if text.startswith("0.") else text
    return rf"\textbf{{{short}}}" if best else short


def _piped(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _tex(text: str) -> str:
    return "".join(_ESCAPES.get(c, c) for c in text)
