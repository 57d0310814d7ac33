"""What a model card says; the hub's own library reads it."""

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

import decamo
from decamo.errors import DataError, SettingsError


@pytest.fixture(scope="module")
def scored(checkpoint: Path, scenes: Path) -> decamo.EvaluateResult:
    return decamo.evaluate(checkpoint, scenes, device="cpu", num_workers=0, resamples=50)


def card_of(folder: Path) -> tuple[huggingface_hub.ModelCardData, str]:
    """Front matter and whole text."""
    card = huggingface_hub.ModelCard((folder / "README.md").read_text())
    assert isinstance(card.data, huggingface_hub.ModelCardData)
    return card.data, card.content


def test_the_hub_s_library_reads_the_scores(
    checkpoint: Path, scored: decamo.EvaluateResult, tmp_path: Path
) -> None:
    model = decamo.load(checkpoint, device="cpu")

    data, _ = card_of(
        model.save_pretrained(tmp_path / "moths", license="apache-2.0", scores=scored)
    )

    whole = scored.scores[0].whole
    assert (data.license, data.library_name, data.pipeline_tag, data.model_name) == (
        "apache-2.0",
        "decamo",
        "image-segmentation",
        "moths",
    )
    values = {one.metric_type: one for one in data.eval_results or ()}
    assert values["iou"].metric_value == scored.iou
    assert values["mae"].metric_value == whole.scores.mae
    assert values["iou"].metric_args == {"interval_95": list(whole.intervals["iou"])}
    assert (values["iou"].dataset_name, values["iou"].dataset_split) == ("scenes", "test")
    assert values["iou"].dataset_args == {"protocol": "published", "images": 4}


def test_people_read_protocol_data_and_lineage(
    checkpoint: Path, scored: decamo.EvaluateResult, tmp_path: Path
) -> None:
    model = decamo.load(checkpoint, device="cpu")
    (tmp_path / "evaluate.json").write_text(json.dumps(scored.to_plain()))

    _, text = card_of(model.save_pretrained(tmp_path / "moths", scores=tmp_path / "evaluate.json"))

    low, high = scored.scores[0].whole.intervals["iou"]
    assert f"| IoU | {scored.iou:.4f} | {low:.4f} to {high:.4f} |" in text
    assert scored.scores[0].protocol.masks in text
    images = model.loaded.images
    held = sum(known.held for known in images.images)
    assert f"Trained on {len(images.images) - held} images, {held} more held out" in text
    assert images.content in text
    assert all(step in text for step in model.loaded.lineage)
    assert "Licence: not stated" in text


def test_without_scores_none_is_stated(checkpoint: Path, tmp_path: Path) -> None:
    data, content = card_of(
        decamo.load(checkpoint, device="cpu").save_pretrained(tmp_path / "moths")
    )

    assert data.eval_results is None
    assert "No test score is stated" in content


def test_scores_of_trained_images_say_so(
    checkpoint: Path, scored: decamo.EvaluateResult, tmp_path: Path
) -> None:
    plain = scored.to_plain()
    met = {"method": "best_model", "dataset": "scenes", "trained": ["a", "b"], "chose": []}
    (tmp_path / "evaluate.json").write_text(json.dumps(plain | {"trained_on": [met]}))

    model = decamo.load(checkpoint, device="cpu")
    _, content = card_of(model.save_pretrained(tmp_path / "x", scores=tmp_path / "evaluate.json"))

    assert "2 of these images have trained the network" in content


def other_epoch(plain: dict[str, Any]) -> Any:
    plain["datasets"][0]["protocol"]["weights"] = "raw weights of epoch 7"
    return plain


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (other_epoch, SettingsError),
        (lambda plain: plain | {"datasets": []}, SettingsError),
        (lambda plain: plain | {"datasets": [{}]}, DataError),
        (lambda _: [1], DataError),
        (lambda _: {}, DataError),
    ],
)
def test_scores_of_something_else_are_refused(
    change: Any,
    kind: type[decamo.DecamoError],
    checkpoint: Path,
    scored: decamo.EvaluateResult,
    tmp_path: Path,
) -> None:
    file = tmp_path / "evaluate.json"
    file.write_text(json.dumps(change(json.loads(json.dumps(scored.to_plain())))))
    model = decamo.load(checkpoint, device="cpu")

    with pytest.raises(kind, match="decamo evaluate --json"):
        model.save_pretrained(tmp_path / "moths", scores=file)
    assert not (tmp_path / "moths").exists()


@pytest.mark.parametrize("license", ["MIT License", "mit\nlibrary_name: other", "-"])
def test_a_license_is_an_identifier(license: str, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"apache-2\.0"):
        decamo.load(checkpoint, device="cpu").save_pretrained(tmp_path / "x", license=license)


def test_names_and_reasons_cannot_write_the_card(checkpoint: Path, tmp_path: Path) -> None:
    model = decamo.load(checkpoint, device="cpu")

    data, content = card_of(
        model.save_pretrained(tmp_path / "x", name="moths\n---\nlicense: mit\n<script>")
    )

    assert data.license is None
    assert "<script>" not in content.split("---", 2)[2]
