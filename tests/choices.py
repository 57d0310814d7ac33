"""What a command line comes to, for tests."""

import argparse

from decamo.checkpoint import Checkpoint
from decamo.flags import given_by
from decamo.settings import TrainSettings
from decamo.training.choosing import choose_settings


def chosen_settings(args: argparse.Namespace) -> tuple[TrainSettings, Checkpoint | None]:
    return choose_settings(given_by(args))
