"""A network for others: a folder or a model on the hub, with the scores that were found."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from decamo.errors import DataError, SettingsError
from decamo.inference.hub import HubPlace, push_folder
from decamo.inference.loaded import Loaded, Trained
from decamo.inference.model_card import Card, CardScore
from decamo.inference.pretrained_folder import save_folder

__all__ = ["EvaluatedScores", "Sharing", "card_scores"]

_LARGEST = 2**30  # bytes; a thousand images take 1 MB


class EvaluatedScores(Protocol):
    """What :func:`decamo.evaluate` returns."""

    def to_plain(self) -> dict[str, Any]:
        """As ``decamo evaluate --json`` writes it."""


@dataclass(frozen=True)
class Sharing:
    """A network that is to be shared; arguments and errors are those of :class:`decamo.Model`.

    Attributes:
        loaded: the network.
        path: where it was loaded from.
        license: identifier; empty where not stated.
        scores: of it, or None.
    """

    loaded: Loaded
    path: Path
    license: str = ""
    scores: EvaluatedScores | str | Path | None = None

    def save(self, folder: Path, name: str) -> Path:
        """Write it as a folder."""
        save_folder(self.loaded, folder, self._card(name), self.path)
        return folder

    def push(self, repository: str, *, private: bool, token: str | None, message: str) -> str:
        """Write it as a folder, and put that on the hub."""
        place = HubPlace.of(repository)
        card = self._card(place.repository.rpartition("/")[2], str(place))
        said = message or f"{self.loaded.weights} weights of epoch {self.loaded.epoch}"
        with tempfile.TemporaryDirectory(prefix="decamo-push-") as home:
            folder = Path(home)
            save_folder(self.loaded, folder, card, self.path)
            return str(push_folder(folder, place, private=private, token=token, message=said))

    def _card(self, name: str, place: str = "PATH_OF_THIS_FOLDER") -> Card:
        scores = () if self.scores is None else card_scores(self.scores, self.path, self.loaded)
        return Card(name, self.license, scores, place)


def card_scores(
    scored: EvaluatedScores | str | Path, path: Path, trained: Trained
) -> tuple[CardScore, ...]:
    """Scores of a network on each data set.

    Args:
        scored: a result, or the file of ``decamo evaluate --json``; other methods are passed over.
        path: of the network that they are to be of.
        trained: what is known of it.

    Raises:
        DataError: the file cannot be read, or is another one.
        SettingsError: none of its scores are of this network's weights and epoch.
    """
    plain = _read(Path(scored)) if isinstance(scored, str | Path) else scored.to_plain()
    where = scored if isinstance(scored, str | Path) else "scores"
    weights = f"{trained.weights} weights of epoch {trained.epoch}"
    try:
        rows = [row for row in plain["datasets"] if row["protocol"]["weights"] == weights]
        names = {row["method"] for row in rows}
        if len(names) > 1:
            places = {n: Path(str(plain["methods"][n]).rpartition("=")[2]) for n in names}
            names = {name for name in names if places[name].resolve() == path.resolve()}
        if len(names) != 1:
            raise SettingsError(
                f"{where}",
                f"has no scores of {path.name} ({weights}) alone",
                "give what decamo evaluate --json wrote of this very checkpoint",
            )
        return tuple(_score(row, plain) for row in rows if row["method"] in names)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{where}", f"not what decamo evaluate --json writes ({error})", "give its file"
        ) from error


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(path, "is larger than 1 GiB", "give the file of decamo evaluate --json")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            path, f"cannot be read as JSON ({error})", "give the file of decamo evaluate --json"
        ) from error


def _score(row: Mapping[str, Any], plain: Mapping[str, Any]) -> CardScore:
    protocol = row["protocol"]
    met = [
        one
        for one in plain["trained_on"]
        if (one["method"], one["dataset"]) == (row["method"], row["dataset"])
    ]
    return CardScore(
        dataset=str(row["dataset"]),
        split=str(protocol["split"]),
        convention=str(protocol["convention"]),
        conditions=(
            f"{plain['rules']}; scored at {protocol['size']}; network at {protocol['network_px']}"
            f" px, {protocol['precision']}; test-time augmentation {protocol['tta']}; decision"
            f" {protocol['decision']}; maps resized {protocol['resize']}; names"
            f" {protocol['names']}, masks {protocol['masks']}; decamo {protocol['decamo']}"
        ),
        images=int(row["count"]),
        mean={name: float(value) for name, value in row["mean"].items()},
        intervals={name: (float(a), float(b)) for name, (a, b) in row["intervals"].items()},
        trained=sum(len(one["trained"]) for one in met),
    )
