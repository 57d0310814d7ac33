"""Measured claims for people: a Markdown page and a table, from ``claims.json`` alone."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from decamo.report.plan_text import epoch_rows
from decamo.settings import shown

__all__ = ["claims_page", "claims_table"]

Plain = Mapping[str, Any]

_MIB = 2**20
_SEEN_AT_LEAST = 0.005  # IoU; a stalled run that gains more in its last epoch is not at rest


def claims_table(ledger: Plain) -> str:
    """One line a claim, for a terminal."""
    header = ["claim", "expected", "measured", "95 % interval"]
    rows = [
        [c["title"], _expected(c), *_measured(c), c.get("word", c.get("lost", ""))]
        for c in ledger["claims"]
    ]
    return epoch_rows(header, rows)


def claims_page(ledger: Plain) -> str:
    """The page; nothing in it comes from anywhere but ``ledger``."""
    claims: Sequence[Plain] = ledger["claims"]
    parts = [
        "# What was expected, and what was measured",
        _opening(ledger),
        "## What the action plan expects",
        _table([c for c in claims if c["expected"]]),
        _sentences([c for c in claims if c["expected"]]),
        "## Flags that are recommended without a figure",
        _table([c for c in claims if not c["expected"]]),
        _sentences([c for c in claims if not c["expected"]]),
        "## On what",
        _study(ledger),
        _stalls(ledger),
        "## The branches",
        _arms(ledger),
        "## How",
        _method(ledger),
        "## What this does not say",
        _limits(ledger),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _opening(ledger: Plain) -> str:
    study = ledger["study"]
    words = [c["word"] for c in ledger["claims"] if c["expected"] and "word" in c]
    counts = ", ".join(
        f"*{word}* {words.count(word)}" for word in ledger["definitions"] if word in words
    )
    return (
        f"Written by `python -m benchmarks claims --out`; the numbers are those that"
        f" `decamo diagnose` quotes. From each of {len(ledger['stalled'])} stalled runs, branches"
        f" were trained for {_epochs(study['trial_epochs'])} on the same images in the same order;"
        " a claim is the difference of two branches in IoU on the same"
        f" {study['val_images']} held-out images."
        f"\n\n**Of {len(words)} expectations of the action plan: {counts}.** That is of this"
        " measurement, which is a small one: see the last section."
    )


def _table(claims: Sequence[Plain]) -> str:
    header = (
        "claim", "expected", "measured", "95 % interval", "each seed", "verdict", "time", "memory",
    )  # fmt: skip
    rows = [
        (
            c["title"],
            _expected(c) or "no figure",
            *_measured(c),
            ", ".join(_gain(d) for d in c.get("by_seed", ())),
            f"**{c['word']}**" if "word" in c else c["lost"],
            _ratio(c.get("seconds_ratio")),
            _ratio(c.get("memory_ratio")),
        )
        for c in claims
    ]
    return _markdown(header, rows)


def _sentences(claims: Sequence[Plain]) -> str:
    """What is behind each verdict, one line a claim."""
    return "\n".join(f"- {_sentence(claim)}" for claim in claims)


def _sentence(claim: Plain) -> str:
    pair = f"`{claim['arm']}` against " + (
        f"`{claim['against']}`" if claim["against"] else "the checkpoint that it set out from"
    )
    where = ", each in its worst epoch" if claim["worst"] else ""
    if "lost" in claim:
        return f"{_upper(claim['title'])} ({pair}{where}): no interval; {claim['lost']}."
    told = _TOLD[claim["word"]]
    if claim["word"] == "does not hold":
        told += _instead(claim)
    return f"{_upper(claim['title'])} ({pair}{where}): {told}."


_TOLD = {
    "holds": "surely a gain, and as large as expected",
    "holds in part": "surely a gain; whether as large as expected is open, measured it is smaller",
    "does not hold": "the gain that is expected was not there",
    "not told apart from 0": "it may gain nothing; this measurement cannot tell",
    "a gain": "surely better",
    "a loss": "surely worse",
}


def _instead(claim: Plain) -> str:
    if claim["low"] > 0:
        return ", only a smaller one"
    if claim["high"] < 0:
        return ", it surely loses"
    return ", and none can be told from 0"


def _study(ledger: Plain) -> str:
    study = ledger["study"]
    sets = " and ".join(f"{s['name']} ({s['images']} training images)" for s in study["sets"])
    weights = study["weights"]
    lines = [
        f"- Images: {sets}, their longest side {study['longest_side']} px{_note(study)};"
        f" {study['train_images']} train, {study['val_images']} are held out (fingerprint"
        f" `{study['val_fingerprint']}`), the same in all seeds. No test image is used.",
        f"- Network: {study['backbone']}, from {weights},"
        f" {_count(study['num_experts'], 'expert')} a level, {study['img_size']} px;"
        f" the next size is {study['next_size']} px.",
        f"- A step: {study['accumulation_steps']} x {study['batch_size']} images.",
        f"- A stalled run: {_epochs(study['base_epochs'])} at {shown(study['base_lr'])}, then"
        f" {study['stall_epochs']} at {shown(study['stall_lr'])}, all of it learning (backbone at"
        f" {shown(study['backbone_lr_ratio'])} of these rates).",
        f"- A branch: {_epochs(study['trial_epochs'])}. Curves are compressed into them, as in"
        f" `decamo escape`; the warm-up of option 3 takes {_epochs(study['warmup_epochs'])} of"
        " them, not 3.",
        f"- decamo {ledger['decamo']}, {study['device']}.",
    ]
    return "\n".join(lines)


def _stalls(ledger: Plain) -> str:
    header = ("seed", "IoU at the checkpoint", "gained in the last epoch before it")
    rows = [(str(s["seed"]), f"{s['iou']:.4f}", _gain(s["gained"])) for s in ledger["stalled"]]
    moving = [s for s in ledger["stalled"] if s["gained"] > _SEEN_AT_LEAST]
    remark = (
        f"\n\n{len(moving)} of them gained more than {_SEEN_AT_LEAST:g} in that epoch: they had"
        " not quite come to rest."
        if moving
        else ""
    )
    return _markdown(header, rows) + remark


def _arms(ledger: Plain) -> str:
    header = ("branch", "what it is", "IoU at the end, by seed", "steps", "s an epoch", "memory")
    rows = [
        (
            f"`{arm['name']}`",
            arm["asks"],
            ", ".join(f"{iou:.4f}" for iou in arm["iou"]) or arm["lost"],
            "" if arm["steps"] is None else str(arm["steps"]),
            "" if arm["seconds"] is None else f"{arm['seconds']:.1f}",
            f"{arm['memory_bytes'] / _MIB:.0f} MiB",
        )
        for arm in ledger["arms"]
    ]
    return _markdown(header, rows)


def _method(ledger: Plain) -> str:
    words = "\n".join(f"- *{word}*: {what}." for word, what in ledger["definitions"].items())
    clock = (
        "the training process's own processor seconds, in which another program beside it does not"
        " count"
        if ledger["study"]["device"] == "cpu"
        else "seconds by the clock"
    )
    return (
        "An interval covers two chances, which images are scored and how a run falls out:"
        " SE² = var over images of the seed-averaged difference / images + var over seeds of the"
        " image-averaged difference / seeds, Student's t with Satterthwaite's degrees of freedom."
        " The chance of single cells is in both parts, so that it is rather too wide than too"
        " narrow. Each interval stands for itself: of twenty claims of no effect, one may look like"
        " a gain. With few seeds that differ it is wide; that is what few seeds are worth.\n\n"
        f"The verdicts:\n\n{words}\n\n"
        f"*time*: {clock}, per epoch of training (without validation), as a ratio of the two"
        " branches, the geometric mean over seeds. *memory*: bytes that a step holds at once"
        " (weights, gradients, Adam's moments, a moving average, what autograd keeps of one"
        " micro-batch), counted, not sampled; scratch space of kernels and waiting images come on"
        " top."
    )


def _limits(ledger: Plain) -> str:
    study = ledger["study"]
    steps = next((a["steps"] for a in ledger["arms"] if a["steps"]), None)
    size = study["next_size"] / study["img_size"]
    level = fmean(s["iou"] for s in ledger["stalled"])
    return "\n".join(
        [
            "- The action plan speaks of 20 to 50 epochs of a larger data set with edgenext_base"
            f" at 384 px, from IoU 0.62; here it is {_epochs(study['trial_epochs'])}, {steps} steps"
            f" in all, of {study['backbone']} at {study['img_size']} px, from IoU {level:.2f}. A"
            " claim that does not hold here may hold there; but nothing here speaks for it.",
            f"- Image sizes are multiples of 32 px: the step is {study['img_size']} to"
            f" {study['next_size']} px, {size:.3g} times, where the plan's is 384 to 416, 1.08"
            " times. It is the larger step, so that a gain here is no proof of one there.",
            "- A stalled run of few epochs has more left to learn than one of 86.",
            "- *Going on unchanged* is measured against the checkpoint; all others against a branch"
            " trained as long.",
        ]
    )


def _expected(claim: Plain) -> str:
    if not claim["expected"]:
        return ""
    low, high = claim["expected"]
    return f"{low:+.2f} to {high:+.2f}"


def _measured(claim: Plain) -> tuple[str, str]:
    if "low" not in claim:
        return "", ""
    return _gain(claim["difference"]), f"{_gain(claim['low'])} to {_gain(claim['high'])}"


def _gain(value: float) -> str:
    return f"{value:+.4f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"x {value:.2f}"


def _note(study: Plain) -> str:
    return f" ({study['note']})" if study["note"] else ""


def _epochs(count: int) -> str:
    return _count(count, "epoch")


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
