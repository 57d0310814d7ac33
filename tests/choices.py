"""What a command line comes to, for tests."""

import argparse
from typing import Any

from decamo.flags import given_by
from decamo.settings import TrainSettings
from decamo.training.choosing import choose_settings


def chosen_settings(args: argparse.Namespace) -> tuple[TrainSettings, dict[str, Any] | None]:
    return choose_settings(given_by(args))
