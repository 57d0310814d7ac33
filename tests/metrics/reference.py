"""The reference toolbox asked for one image, and random and adversarial images to ask about."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import py_sod_metrics as reference

__all__ = ["CURVES", "SCALARS", "case", "reference_measures"]

SCALARS = (
    "s",
    "weighted_f",
    "mae",
    "f_adaptive",
    "e_adaptive",
    "iou_adaptive",
    "dice_adaptive",
)
CURVES = ("precision", "recall", "f", "e", "iou_curve", "dice_curve")
Mask = npt.NDArray[np.bool_]


class _Smeasure(reference.Smeasure):  # type: ignore[misc]
    """The reference's, with the one gap filled: a quarter of no pixels weighs 0, not 0 x NaN."""

    def ssim(self, pred: Any, gt: Any) -> Any:
        return super().ssim(pred, gt) if pred.size else 0.0


def reference_measures(
    prediction: Any, mask: npt.NDArray[Any], *, stretch: bool, binary: bool = False
) -> dict[str, Any]:
    """Scalars and curves of one image by pysodmetrics, curves turned to rising thresholds.

    With ``binary`` IoU and Dice at its own 0.5 as well.
    """
    handlers = {
        name: handler(with_dynamic=True, with_adaptive=True, with_binary=True)
        for name, handler in (
            ("f", reference.FmeasureHandler),
            ("precision", reference.PrecisionHandler),
            ("recall", reference.RecallHandler),
            ("iou", reference.IOUHandler),
            ("dice", reference.DICEHandler),
        )
    }
    s, w, e, mae, f = suites = (
        _Smeasure(),
        reference.WeightedFmeasure(),
        reference.Emeasure(),
        reference.MAE(),
        reference.FmeasureV2(handlers),
    )
    truth = mask.astype(np.uint8) * 255 if stretch and mask.dtype == np.bool_ else mask
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for suite in suites:
            suite.step(prediction, truth, normalize=stretch)
    cuts = f.get_results()
    alignment = e.get_results()["em"]
    return {
        "s": s.get_results()["sm"],
        "weighted_f": w.get_results()["wfm"],
        "mae": mae.get_results()["mae"],
        "e_adaptive": alignment["adp"],
        "e": alignment["curve"][::-1],
        **{f"{k}_adaptive": cuts[k]["adaptive"] for k in ("f", "iou", "dice")},
        **{k: cuts[k]["dynamic"][::-1] for k in ("precision", "recall", "f")},
        **{f"{k}_curve": cuts[k]["dynamic"][::-1] for k in ("iou", "dice")},
        **({k: cuts[k]["binary"] for k in ("iou", "dice")} if binary else {}),
    }


def case(rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], Mask]:
    """A grey-level prediction and a mask: kinds of both are drawn independently."""
    h, w = (int(n) for n in rng.integers(1, 6 if rng.random() < 0.4 else 64, 2))
    return _prediction(rng, mask := _mask(rng, h, w)), mask


def _mask(rng: np.random.Generator, h: int, w: int) -> Mask:
    mask = np.zeros((h, w), dtype=np.bool_)
    match int(rng.integers(10)):
        case 0:
            pass
        case 1:
            mask[:] = True
        case 2:
            mask[rng.integers(h), rng.integers(w)] = True
        case 3:
            mask[rng.integers(h)] = True
        case 4:
            mask[:, rng.integers(w)] = True
        case 5:
            mask = rng.random((h, w)) < rng.random()
        case 6:
            mask[[0, -1]] = mask[:, [0, -1]] = True
        case _:
            y, x = np.mgrid[:h, :w]
            y, x = y - rng.uniform(0, h), x - rng.uniform(0, w)
            mask = np.hypot(y / (h * rng.uniform(0.1, 0.6)), x / (w * rng.uniform(0.1, 0.6))) < 1
    return mask


def _prediction(rng: np.random.Generator, mask: Mask) -> npt.NDArray[np.uint8]:
    h, w = mask.shape
    grey: Any
    match int(rng.integers(9)):
        case 0:
            grey = np.full((h, w), rng.integers(256))
        case 1:
            grey = rng.integers(0, 256, (h, w))
        case 2:
            grey = (rng.random((h, w)) < 0.5) * rng.integers(1, 256)
        case 3:
            grey = mask * 255
        case 4:
            grey = ~mask * 255
        case 5:
            grey = np.repeat(rng.integers(0, 256, (h, 1)), w, axis=1)
        case 6:
            grey = np.where(np.arange(w) < w / 2, *rng.integers(0, 256, 2)) * np.ones((h, 1))
        case 7:
            grey = (rng.random((h, w)) < 0.02) * rng.integers(0, 256, (h, w))
        case _:
            grey = np.clip(mask * 180 + rng.normal(20, 40, (h, w)), 0, 255)
    return grey.astype(np.uint8)
