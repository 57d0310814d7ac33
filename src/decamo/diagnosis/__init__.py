"""Opinions about a run's past, each with its evidence: pure functions, no torch."""

from decamo.diagnosis.advice import Advice, Counsel, advise
from decamo.diagnosis.case import Case
from decamo.diagnosis.causes import Cause, Ground, Suspicion
from decamo.diagnosis.claims import Claim, claims_of, known_claims
from decamo.diagnosis.command import Change
from decamo.diagnosis.expectations import Expectation
from decamo.diagnosis.fan import Fan
from decamo.diagnosis.forecast import Forecast, Outlook, Reach
from decamo.diagnosis.remedy import Remedy
from decamo.diagnosis.standing import Standing
from decamo.diagnosis.symptom import SEVERITIES, Evidence, Kind, Severity, Symptom
from decamo.diagnosis.thresholds import SITUATION, TARGET, Thresholds
from decamo.diagnosis.verdict import DETECTORS, VERDICTS, Diagnosis, diagnose

__all__ = [
    "DETECTORS",
    "SEVERITIES",
    "SITUATION",
    "TARGET",
    "VERDICTS",
    "Advice",
    "Case",
    "Cause",
    "Change",
    "Claim",
    "Counsel",
    "Diagnosis",
    "Evidence",
    "Expectation",
    "Fan",
    "Forecast",
    "Ground",
    "Kind",
    "Outlook",
    "Reach",
    "Remedy",
    "Severity",
    "Standing",
    "Suspicion",
    "Symptom",
    "Thresholds",
    "advise",
    "claims_of",
    "diagnose",
    "known_claims",
]
