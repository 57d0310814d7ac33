import pytest

from decamo.diagnosis.detect_validation import one_sided_validation, saturated, thin_validation
from decamo.history import Point, TrainingLog
from tests.diagnosis.build import past, seen


def test_the_standard_error_is_held_against_the_gain() -> None:
    (symptom,) = seen(thin_validation, past([0.6], val_images=100, iou_sd=0.3))
    assert symptom.evidence[0].value == pytest.approx(0.03)
    assert symptom.evidence[2].threshold == 900
    assert symptom.severity == "notice"
    assert seen(thin_validation, past([0.6], val_images=400, iou_sd=0.3))[0].severity == "info"
    assert not seen(thin_validation, past([0.6], val_images=1000, iou_sd=0.3))
    assert not seen(thin_validation, past([0.6], iou_sd=0.3))
    assert not seen(thin_validation, past([0.6], val_images=0, iou_sd=0.3))


@pytest.mark.parametrize(
    ("share", "word"), [(0.05, "far too little"), (0.2, ""), (0.45, "far too much")]
)
def test_predicted_against_true_area(share: float, word: str) -> None:
    what = past([0.6] * 4, object_share=0.2, predicted_share=share)
    sentences = [s.sentence for s in seen(one_sided_validation, what)]
    assert [s.startswith(word) for s in sentences] == [True] * bool(word)


def test_no_object_at_all_says_nothing() -> None:
    assert not seen(one_sided_validation, past([0.6], object_share=0.0, predicted_share=0.1))


def test_sure_mistakes() -> None:
    shares = [0.1, 0.1, 0.7, 0.8, 0.75]
    points = tuple(Point(e, sure_wrong=share) for e, share in enumerate(shares, start=1))
    (symptom,) = seen(saturated, TrainingLog(points))
    assert symptom.evidence[0].value == 0.75
    assert not seen(saturated, TrainingLog(points[:3]))
    assert not seen(saturated, past([0.6]))
