"""Opinions about a run's past, each with its evidence: pure functions, no torch."""

from decamo.diagnosis.case import Case
from decamo.diagnosis.confusion import Confusion, confuse
from decamo.diagnosis.symptom import SEVERITIES, Evidence, Kind, Severity, Symptom
from decamo.diagnosis.thresholds import SITUATION, TARGET, Thresholds
from decamo.diagnosis.verdict import DETECTORS, VERDICTS, Diagnosis, diagnose

__all__ = [
    "DETECTORS",
    "SEVERITIES",
    "SITUATION",
    "TARGET",
    "VERDICTS",
    "Case",
    "Confusion",
    "Diagnosis",
    "Evidence",
    "Kind",
    "Severity",
    "Symptom",
    "Thresholds",
    "confuse",
    "diagnose",
]
