"""What a user may choose: frozen dataclasses, validated at birth; no torch."""

from decamo.settings.option import Option, flag_of, option, shown
from decamo.settings.schedule import ScheduleSettings
from decamo.settings.sections import (
    DataSettings,
    ModelSettings,
    OptimizerSettings,
    RunSettings,
    TrainSettings,
)

__all__ = [
    "DataSettings",
    "ModelSettings",
    "OptimizerSettings",
    "Option",
    "RunSettings",
    "ScheduleSettings",
    "TrainSettings",
    "flag_of",
    "option",
    "shown",
]
