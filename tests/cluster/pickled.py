"""A runner that hands everything over as a cluster would: as bytes, and functions by name."""

import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ray import cloudpickle

from decamo.cluster.tasks import Place, TaskLine, one_after_another

__all__ = ["far_away"]


def _handed_over(
    work: Callable[[Any, Any, TaskLine], Any],
    shared: Any,
    items: Mapping[str, Any],
    *,
    on_event: Callable[[str, object], None],
    stop: Callable[[], str],
) -> Iterator[tuple[str, Any]]:
    work = pickle.loads(pickle.dumps(work))  # by its name alone
    for key, item in items.items():
        there = pickle.loads(cloudpickle.dumps((shared, item)))

        def hear(key: str, told: object) -> None:
            on_event(key, pickle.loads(pickle.dumps(told)))

        for _, found in one_after_another(
            work, there[0], {key: there[1]}, on_event=hear, stop=stop
        ):
            yield key, pickle.loads(pickle.dumps(found))


far_away = Place(_handed_over, "cpu", here=False)
