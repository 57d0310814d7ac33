"""decamo: train, rescue, measure and ship models that segment camouflaged objects.

    import decamo

    model = decamo.load("best_model.pth")            # a trained network
    model.predict("photo.jpg").save("maps")
    decamo.Run("runs/x").diagnose(target=0.72)       # what ails a run, and what to do
    decamo.plan(epochs=150, resume_from="best_model.pth")
    decamo.train(dataset_path="COD10K-v3", epochs=120)
    decamo.escape("best_model.pth")                  # race ways off the plateau
    decamo.evaluate("best_model.pth", "COD10K-v3")
    decamo.adopt("their.pth", network="their_net.py:build", out="runs/adopted")

Every name is imported when it is first asked for: ``import decamo`` loads nothing of others.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decamo import metrics as metrics
    from decamo.api.adopting import AdoptResult as AdoptResult
    from decamo.api.adopting import adopt as adopt
    from decamo.api.backbones import ModelsResult as ModelsResult
    from decamo.api.backbones import models as models
    from decamo.api.evaluate_result import EvaluateResult as EvaluateResult
    from decamo.api.evaluating import evaluate as evaluate
    from decamo.api.model import Model as Model
    from decamo.api.model import load as load
    from decamo.api.planning import PlanResult as PlanResult
    from decamo.api.planning import plan as plan
    from decamo.api.predict_once import predict as predict
    from decamo.api.prediction import Prediction as Prediction
    from decamo.api.racing import EscapeResult as EscapeResult
    from decamo.api.racing import escape as escape
    from decamo.api.run import Run as Run
    from decamo.api.run import RunDiagnosis as RunDiagnosis
    from decamo.api.run import diagnose as diagnose
    from decamo.api.serving import serve as serve
    from decamo.api.training import TrainResult as TrainResult
    from decamo.api.training import train as train
    from decamo.api.watching import Watch as Watch
    from decamo.api.watching import lightning_callback as lightning_callback
    from decamo.api.watching import transformers_callback as transformers_callback
    from decamo.errors import DecamoError as DecamoError
    from decamo.inference.views import Views as Views
    from decamo.settings import TrainSettings as TrainSettings
    from decamo.settings.expert_names import register_expert as register_expert
    from decamo.settings.network_names import register_network as register_network
    from decamo.settings.schedule import register_lr_schedule as register_lr_schedule

__version__ = "0.1.0"

_HOMES = {
    "AdoptResult": "api.adopting",
    "DecamoError": "errors",
    "EscapeResult": "api.racing",
    "EvaluateResult": "api.evaluate_result",
    "Model": "api.model",
    "ModelsResult": "api.backbones",
    "PlanResult": "api.planning",
    "Prediction": "api.prediction",
    "Run": "api.run",
    "RunDiagnosis": "api.run",
    "TrainResult": "api.training",
    "TrainSettings": "settings",
    "Views": "inference.views",
    "Watch": "api.watching",
    "adopt": "api.adopting",
    "diagnose": "api.run",
    "escape": "api.racing",
    "evaluate": "api.evaluating",
    "lightning_callback": "api.watching",
    "load": "api.model",
    "metrics": "",
    "models": "api.backbones",
    "plan": "api.planning",
    "predict": "api.predict_once",
    "register_expert": "settings.expert_names",
    "register_lr_schedule": "settings.schedule",
    "register_network": "settings.network_names",
    "serve": "api.serving",
    "train": "api.training",
    "transformers_callback": "api.watching",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'decamo' has no attribute {name!r}")
    home = _HOMES[name]
    if not home:
        return importlib.import_module(f"decamo.{name}")
    value = getattr(importlib.import_module(f"decamo.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
