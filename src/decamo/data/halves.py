"""Which half of a data set a folder or a file holds, by the words that the field names it with.

One table, with where each word was met:

===========  ========================================  ============================================
half         words                                     sources
===========  ========================================  ============================================
to train     train, training, trn, tr, trainval        COD10K-v3 and CAMO ``Train``; SINet
                                                       ``TrainDataset``; BiRefNet ``TR-COD10K``;
                                                       DIS5K ``DIS-TR``; DUTS ``DUTS-TR``; nnU-Net
                                                       ``imagesTr``; COCO ``train2017``; MoCA-Mask
                                                       ``TrainDataset_per_sq``
to test      test, testing, tst, te, ts, eval,         COD10K-v3 and CAMO ``Test``; SINet
             evaluation, holdout, unseen               ``TestDataset``; BiRefNet ``TE-CAMO``; DIS5K
                                                       ``DIS-TE1``; nnU-Net ``imagesTs``; COCO
                                                       ``test-dev``; MoCA-Mask
                                                       ``TestDataset_per_sq``
to validate  val, valid, validation, dev, vd           DIS5K ``DIS-VD``; COCO ``val2017``
===========  ========================================  ============================================

A word counts where it stands by itself: between the ends of the name, marks (``-``, ``_``, ``+``, a
blank ...), digits, and a change from small to capital letters. So ``contest``, ``latest``,
``trainer`` and ``strain`` say nothing, and ``trainset``, ``testdata`` do. ``train`` and ``val``
together are to train, ``test`` and ``val`` to test; ``train`` and ``test`` leave it unclear.
"""

import re
from enum import StrEnum

__all__ = ["Half", "half_of", "is_only_half", "is_unmistakable", "numbered", "words_of"]


class Half(StrEnum):
    """What a name says its images are for."""

    ANY = ""
    TRAIN = "train"
    TEST = "test"
    VAL = "val"
    UNCLEAR = "unclear"


_LONG = {
    **dict.fromkeys(("train", "training", "trn", "trainval", "trains"), Half.TRAIN),
    **dict.fromkeys(("test", "testing", "tst", "tests", "eval", "evaluation"), Half.TEST),
    **dict.fromkeys(("holdout", "heldout", "unseen"), Half.TEST),
    **dict.fromkeys(("val", "valid", "validation", "vali"), Half.VAL),
}
# So short that they count at the ends of a name alone: data_tr is Turkish at worst.
_SHORT = {"tr": Half.TRAIN, "te": Half.TEST, "ts": Half.TEST, "vd": Half.VAL, "dev": Half.VAL}
_CHINESE = {"训练": Half.TRAIN, "测试": Half.TEST, "验证": Half.VAL}
# What may be written without a mark behind a long word: trainset, testimages, trainvaldataset.
_GLUED = re.compile(
    "(train|training|test|testing|val|valid|validation|trainval)"
    "(?:data)?(?:sets?|data|split|part|half|images?|imgs?|masks?|gts?|labels?)"
)
# Beside one of these a word is no half: training_runs, test_results.
_NO_DATA = frozenset(
    [
        "run",
        "runs",
        "log",
        "logs",
        "result",
        "results",
        "output",
        "outputs",
        "pred",
        "preds",
        "prediction",
        "predictions",
        "experiment",
        "experiments",
        "exp",
        "exps",
        "checkpoint",
        "checkpoints",
        "model",
        "models",
        "script",
        "scripts",
        "code",
        "server",
        "job",
        "jobs",
        "project",
        "projects",
        "report",
        "reports",
        "notebook",
        "notebooks",
    ]
)
_ROLES = frozenset(
    [
        "image",
        "images",
        "im",
        "img",
        "imgs",
        "mask",
        "masks",
        "gt",
        "gts",
        "label",
        "labels",
        "object",
        "input",
    ]
)
_FILLERS = frozenset(
    [
        "dataset",
        "datasets",
        "data",
        "set",
        "sets",
        "per",
        "sq",
        "split",
        "part",
        "half",
        "sequence",
        "the",
    ]
)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_OF_DATA = re.compile(
    r"(?<![a-z])(?:train|training|test|testing|val|valid|validation|trainval)?"
    r"(?:data)?sets?(?![a-z])|per[-_ ]?sq(?![a-z])"
)
# Folders of which several lie beside each other: fold1, fold2; part_A, part_B.
_NUMBERED = re.compile(r"(fold|split|part|half|subset|partition|portion|group)[-_ ]?(\d+|[a-z])")


def words_of(name: str) -> tuple[str, ...]:
    """The words and numbers of a name, in small letters: ``DIS-TE1`` gives dis, te, 1."""
    found = [part.casefold() for part in _PARTS.findall(name)]
    return tuple(m[1] if (m := _GLUED.fullmatch(word)) else word for word in found)


def half_of(name: str) -> Half:
    """What a folder's or a file's name says, without its extension."""
    words = words_of(name)
    if _NO_DATA.intersection(words):
        return Half.ANY
    found = {_LONG[word] for word in words if word in _LONG}
    found |= {half for sign, half in _CHINESE.items() if sign in name}
    core = [word for word in words if word not in _ROLES and not word.isdigit()]
    if core:
        found |= {_SHORT[word] for word in (core[0], core[-1]) if word in _SHORT}
    if {Half.TRAIN, Half.TEST} <= found:
        return Half.UNCLEAR
    for half in (Half.TRAIN, Half.TEST, Half.VAL):
        if half in found:
            return half
    return Half.ANY


def is_only_half(name: str) -> bool:
    """Whether a name says which half it is and nothing else, so that it names no data set."""
    known = _LONG.keys() | _SHORT.keys() | _FILLERS
    plain = all(word in known or word.isdigit() for word in words_of(name))
    chinese = any(sign in name for sign in _CHINESE)
    return half_of(name) is not Half.ANY and (plain or chinese)


def is_unmistakable(name: str) -> bool:
    """Whether a name speaks of a half of data even where it lies above all data: ``TestDataset``.

    A bare ``test`` may be anything's: a folder to try things in.
    """
    return is_only_half(name) and bool(_OF_DATA.search(name.casefold()))


def numbered(name: str) -> str:
    """``fold`` for ``fold_3``: one of several parts of which none says what it is for; or empty."""
    match = _NUMBERED.fullmatch(name.casefold())
    return match[1] if match else ""
