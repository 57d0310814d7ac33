"""The questions of ``python -m benchmarks ablation``: each row changes one thing of the base."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.ablation_networks import CHANGES
from benchmarks.quality_recipes import OWN, Entry, Recipe
from benchmarks.quality_terms import Terms
from decamo.data.augment import draw_augmentation
from decamo.inference.views import Views
from decamo.settings.plain import merged

__all__ = ["BASE", "ROWS", "Row"]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        group: what kind of question it is.
        entry: the network that is trained; rows may share one and look through other views.
        views: that each test image is shown in; None leaves the command's own.
        decision: which pixels are called object; None leaves the command's own.
        size: factor on the command's image size.
        name: for people, and for flags; the entry's own where it is left out.
    """

    group: str
    entry: Entry
    views: Views | None = None
    decision: str | None = None
    size: float = 1.0
    name: str = field(default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.entry.name)

    def terms(self, common: Terms) -> Terms:
        """The common terms with what this row changes of them."""
        size = max(32 * round(common.img_size * self.size / 32), 32)
        return replace(
            common,
            img_size=size,
            views=self.views or common.views,
            decision=self.decision or common.decision,
        )


# Our own recipe without the zoom, which would make every row twice as dear; it is a row of its own.
_RECIPE = replace(
    OWN, name="ablation", settings={k: v for k, v in OWN.settings.items() if k != "model"}
)
BASE = Row("", Entry("base", _RECIPE, experts=7))


_TERMS = ("bce", "iou", "boundary", "balance")  # the side outputs' is deep supervision


def _recipe(name: str, group: str, **settings: Mapping[str, Any]) -> Row:
    changed = replace(_RECIPE, settings=merged(_RECIPE.settings, settings))
    return Row(group, Entry(name, changed, experts=7))


def _loss(name: str, *weights: str) -> Row:
    return _recipe(name, "loss", optimise={"loss_weights": weights})


# Without the two terms that make a network shy. Designs of experts are compared by it.
_BOLD = replace(
    _RECIPE,
    name="ablation, IoU loss",
    settings=merged(_RECIPE.settings, {"optimise": {"loss_weights": ["bce=0", "boundary=0"]}}),
)


def _design(name: str, experts: int = 7, change: str = "", **model: float) -> Row:
    recipe = replace(_BOLD, settings=merged(_BOLD.settings, {"model": model}))
    return Row("design", Entry(f"{name}, IoU loss", recipe, experts=experts, change=change))


def _second_look() -> Row:
    """A glance at the base's size, at an image twice as large."""
    row = _design("second look", experts=1, fovea=0.5)
    return replace(row, entry=replace(row.entry, recipe=replace(row.entry.recipe, size=2.0)))


def _designs() -> list[Row]:
    """By which experts could earn their keep, beside a dense block; seven are a row of the loss."""
    of_mixtures = ("best two experts", "router per place", "chosen places", "shared scales")
    return [
        _design("dense block", change="dense block"),
        *(_design(name, change=name) for name in of_mixtures),
        _design("raw pixels", experts=1, change="raw pixels"),
        _second_look(),
        _design("zoom 1.5", experts=1, zoom=1.5),
    ]


def _experts(number: int) -> Row:
    name = "1 expert" if number == 1 else f"{number} experts"
    return Row("experts", Entry(name, _RECIPE, experts=number))


def _drawn(name: str, recipe: Recipe) -> Row:
    return Row("recipe", Entry(name, recipe, experts=7))


def _rows() -> list[Row]:
    flips, both = Views(True), Views(True, (0.75, 1.0, 1.33))
    zoomed = _recipe("zoom 1.5", "image", model={"zoom": 1.5})
    return [
        _experts(1),
        _experts(3),
        *(
            Row("kind of expert" if name.startswith("without") else "experts", entry)
            for name in CHANGES
            for entry in [Entry(name, _RECIPE, experts=7, change=name)]
        ),
        _recipe("without deep supervision", "loss", optimise={"deep_supervision": False}),
        *(_loss(f"without {term}", f"{term}=0") for term in _TERMS),
        _loss("without bce and boundary", "bce=0", "boundary=0"),
        _recipe("without the average", "recipe", optimise={"use_ema": False}),
        _recipe("without mixed scales", "recipe", optimise={"multi_scale": [1.0]}),
        _recipe(
            "8 images a step",
            "recipe",
            schedule={"batch_size": 8, "stage2_lr": 0.001, "backbone_lr_ratio": 0.1},
            optimise={"ema_decay": 0.98},  # looks back over as many images
        ),
        _drawn("full augmentation", replace(_RECIPE, draw=draw_augmentation)),
        Row("recipe", replace(BASE.entry, name="taught by zoom 1.5", teacher=zoomed.entry)),
        zoomed,
        *_designs(),
        Row("image", Entry("image of 3/4", _RECIPE, experts=7), size=0.75),
        Row("seen by", BASE.entry, views=flips, name="flips"),
        Row("seen by", BASE.entry, views=both, name="flips and three scales"),
        Row("seen by", BASE.entry, decision="iou", name="best expected IoU"),
        Row("seen by", BASE.entry, views=both, decision="iou", name="all three"),
        # whether a loss that favours large regions has anything left where the decision does
        *(
            Row("seen by", row.entry, views=both, decision="iou", name=f"all three, {row.name}")
            for row in (
                _loss("without bce", "bce=0"),
                _loss("without boundary", "boundary=0"),
                _loss("without bce and boundary", "bce=0", "boundary=0"),
            )
        ),
    ]


ROWS: dict[str, Row] = {row.name: row for row in _rows()}
"""Name -> row, in the order of the table."""
