"""The page that goes with a shared network: what it is, how it scores, what it has seen."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from huggingface_hub import EvalResult, ModelCardData

from decamo import __version__
from decamo.errors import SettingsError
from decamo.inference.loaded import Loaded
from decamo.settings.network_names import NetworkKind

__all__ = ["Card", "CardScore", "card_text"]

# What the field's tables have, and their names for readers who are not of the field.
_MEASURES = {
    "s": "S-measure",
    "weighted_f": "weighted F-measure",
    "f_mean": "mean F-measure",
    "e_mean": "mean E-measure",
    "mae": "MAE",
    "iou": "IoU",
    "dice": "Dice",
}
_TASK = "image-segmentation"
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True)
class CardScore:
    """Scores on one data set.

    Attributes:
        dataset: its name.
        split: ``test`` or ``train``; empty where it is not known.
        convention: the protocol's name.
        conditions: the whole of the protocol, in a sentence.
        images: how many were scored.
        mean: measure -> mean over images.
        intervals: measure -> ends of its 95 % interval; none where it was not asked for.
        trained: how many of the images have trained the network.
    """

    dataset: str
    split: str
    convention: str
    conditions: str
    images: int
    mean: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    trained: int = 0

    def shown(self) -> Iterator[tuple[str, str, float, tuple[float, float] | None]]:
        """Each measure of the field's tables that has a value: name, title, mean, interval."""
        for name, title in _MEASURES.items():
            value = self.mean.get(name, math.nan)
            if math.isfinite(value):
                yield name, title, value, self.intervals.get(name)


@dataclass(frozen=True)
class Card:
    """What a model card says beyond what the checkpoint knows.

    Attributes:
        name: of the model.
        license: identifier such as ``apache-2.0``; empty where not stated.
        scores: on data sets.
        place: what :func:`decamo.load` is to be given.
    """

    name: str
    license: str = ""
    scores: Sequence[CardScore] = ()
    place: str = "PATH_OF_THIS_FOLDER"

    def __post_init__(self) -> None:
        if self.license and not _LICENSE.fullmatch(self.license):
            raise SettingsError(
                "license",
                f"got {self.license!r:.80}",
                "give an identifier of the hub, such as apache-2.0, mit or cc-by-nc-4.0",
            )


def card_text(loaded: Loaded, card: Card) -> str:
    """The card in Markdown, with the front matter that the hub reads."""
    parts = [
        f"---\n{_front(card)}\n---",
        f"# {_line(card.name)}",
        f"Segments camouflaged objects: {_line(loaded.model.title)}, {loaded.weights} weights of"
        f" epoch {loaded.epoch}, for images resized to {loaded.img_size} x {loaded.img_size} px.",
        _how_to_load(loaded, card.place),
        "## Scores",
        *(_scores(loaded, card.scores)),
        "## Training",
        _training(loaded),
        f"Licence: {card.license or 'not stated'}. Written by decamo {__version__}.",
    ]
    return "\n\n".join(parts) + "\n"


def _front(card: Card) -> str:
    results = [
        EvalResult(
            task_type=_TASK,
            dataset_type=score.dataset,
            dataset_name=score.dataset,
            dataset_split=score.split or None,
            dataset_args={"protocol": score.convention, "images": score.images},
            metric_type=name,
            metric_name=title,
            metric_value=value,
            metric_args={"interval_95": list(ends)} if ends else None,
        )
        for score in card.scores
        for name, title, value, ends in score.shown()
    ]
    data = ModelCardData(
        license=card.license or None,
        library_name="decamo",
        pipeline_tag=_TASK,
        tags=["camouflaged-object-detection", "binary-segmentation"],
        model_name=card.name,
        eval_results=results or None,
    )
    if not results:
        data.model_name = None
    text: str = data.to_yaml(line_break="\n")
    return text.strip()


_EXTRAS = {NetworkKind.SMP.value: "smp", NetworkKind.TRANSFORMERS.value: "transformers"}


def _how_to_load(loaded: Loaded, place: str) -> str:
    kind = str(loaded.model.architecture.get("kind", ""))
    named = kind in (NetworkKind.FILE.value, NetworkKind.REGISTERED.value)
    call = f'"{place}"'
    says = (
        "Nothing that lies here is executed when it is loaded: weights are safetensors, the rest"
        " is JSON."
    )
    if named:
        says += " Its network is Python code that is not here: whoever loads it brings that code."
    if kind == NetworkKind.FILE.value:
        call += ', network="FILE.py:FUNCTION"'
    return f"""```sh
pip install 'decamo[{_EXTRAS.get(kind, "train")}]'
```

```python
import decamo

decamo.load({call}).predict("photo.jpg").save("maps")
```

{says}"""


def _scores(loaded: Loaded, scores: Sequence[CardScore]) -> Iterator[str]:
    best = "not measured" if loaded.best_iou is None else f"{loaded.best_iou:.4f}"
    yield (
        f"Best validation IoU {best}: mean per image at native size, threshold 0.5, on the held-out"
        " images, by which this epoch was chosen."
    )
    if not scores:
        yield "No test score is stated."
    for score in scores:
        split = f", {score.split} split" if score.split else ""
        where = f"{_line(score.dataset)}{split}: {score.images} images"
        yield f"### {where}, {score.convention} protocol"
        rows = [
            f"| {title} | {value:.4f} | {f'{ends[0]:.4f} to {ends[1]:.4f}' if ends else '-'} |"
            for _, title, value, ends in score.shown()
        ]
        yield "\n".join(["| measure | mean | 95 % interval |", "| --- | ---: | ---: |", *rows])
        yield f"Conditions: {_line(score.conditions)}."
        if score.trained:
            yield (
                f"**{score.trained} of these images have trained the network**: this is no score of"
                " unseen images."
            )


def _training(loaded: Loaded) -> str:
    images = loaded.images.images
    held = sum(known.held for known in images)
    digest = f"data fingerprint `{loaded.images.content}`"
    lines = [
        f"- Trained on {len(images) - held} images, {held} more held out; {digest} (of the content"
        " of images and masks and of which were held out)."
        if images
        else "- Trained on images that the checkpoint does not name.",
        *(f"- {_line(step)}" for step in loaded.lineage),
    ]
    return "\n".join(lines)


def _line(text: str) -> str:
    """Text of anyone's as one line of plain Markdown."""
    return re.sub(r"([\\`*_<>\[\]|])", r"\\\1", " ".join(text.split()))
