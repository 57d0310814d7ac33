"""What a command that was advised would really do: through the real parser and the real plan."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from decamo.checkpoint import Checkpoint
from decamo.checkpoint.load_save import Recovered
from decamo.commands import evaluate, train
from decamo.diagnosis import Remedy
from decamo.flags import Parser
from decamo.schedule import Lineage, Plan, Position, Resumption, Segment, SegmentKind
from decamo.settings import TrainSettings
from decamo.training import resumption_of
from tests.checkpoints import checkpoint_with
from tests.choices import chosen_settings

IMAGES = 40


def state(settings: TrainSettings, epoch: int) -> Checkpoint:
    """A checkpoint with so many epochs behind it, as far as a resume reads it."""
    lineage = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, settings.schedule, IMAGES),))
    position = Position(epoch, lineage.plan.epoch_start(epoch + 1))
    return checkpoint_with(settings=settings, lineage=lineage, position=position, history=())


@cache
def parser_of(verb: str) -> Parser:
    """The flags of a command, made once."""
    parser = Parser(prog=f"decamo {verb}")
    {"train": train, "evaluate": evaluate}[verb].add_arguments(parser)
    return parser


def obey(
    remedy: Remedy, settings: TrainSettings, epoch: int, patch: pytest.MonkeyPatch
) -> Resumption | None:
    """How the run goes on after the remedy's command; None of a command that does not train."""
    return obey_words(remedy.words, settings, epoch, patch)


def obey_words(
    words: Sequence[str], settings: TrainSettings, epoch: int, patch: pytest.MonkeyPatch
) -> Resumption | None:
    """The same for bare words."""
    assert words[0] == "decamo"
    parser = parser_of(words[1])
    if words[1] == "evaluate":
        parser.parse(list(words[2:]))
        return None
    found = state(settings, epoch)
    patch.setattr(
        "decamo.checkpoint.load_save.load_or_previous", lambda path: Recovered(found, Path(path))
    )
    chosen, checkpoint = chosen_settings(parser.parse(list(words[2:])))
    return resumption_of(chosen, checkpoint, images=IMAGES, world=1)


def rates(plan: Plan, first: int, last: int) -> list[float]:
    """The head's rates at the first steps of epochs."""
    return [plan.lr(plan.epoch_start(epoch)) for epoch in range(first, last + 1)]
