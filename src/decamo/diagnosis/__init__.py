"""Opinions about a run's past, each with its evidence: pure functions, no torch."""

from decamo.diagnosis.advice import Advice, Counsel, advise
from decamo.diagnosis.case import RunView
from decamo.diagnosis.causes import Cause, CauseGround, Suspicion
from decamo.diagnosis.command import Change
from decamo.diagnosis.fan import Fan
from decamo.diagnosis.forecast import Forecast, Outlook, Reach
from decamo.diagnosis.remedy import Claim, Expectation, Remedy, claims_of, known_claims
from decamo.diagnosis.run_state import RunState
from decamo.diagnosis.symptom import SEVERITIES, Evidence, Severity, Symptom, SymptomKind
from decamo.diagnosis.thresholds import SITUATION, TARGET, Thresholds
from decamo.diagnosis.verdict import DETECTORS, VERDICTS, Diagnosis, diagnose_log

__all__ = [
    "DETECTORS",
    "SEVERITIES",
    "SITUATION",
    "TARGET",
    "VERDICTS",
    "Advice",
    "Cause",
    "CauseGround",
    "Change",
    "Claim",
    "Counsel",
    "Diagnosis",
    "Evidence",
    "Expectation",
    "Fan",
    "Forecast",
    "Outlook",
    "Reach",
    "Remedy",
    "RunState",
    "RunView",
    "Severity",
    "Suspicion",
    "Symptom",
    "SymptomKind",
    "Thresholds",
    "advise",
    "claims_of",
    "diagnose_log",
    "known_claims",
]
