"""Sentences and pictures for people."""

from decamo.report.atlas_cases import atlas_cases
from decamo.report.atlas_picture import AtlasCase, draw_atlas, pick_cases
from decamo.report.atlas_text import atlas_text
from decamo.report.audit_page import audit_page
from decamo.report.audit_text import audit_text
from decamo.report.console import Console
from decamo.report.outcome_notes import outcome_notes
from decamo.report.plan_picture import draw_plan
from decamo.report.plan_text import epoch_rows, plan_text, rates_by_epoch
from decamo.report.score_files import scores_csv, scores_latex, scores_markdown
from decamo.report.score_tables import (
    comparison_text,
    group_text,
    protocol_text,
    score_text,
)
from decamo.report.spending_text import spending_text
from decamo.report.tensorboard import TensorBoard

__all__ = [
    "AtlasCase",
    "Console",
    "TensorBoard",
    "atlas_cases",
    "atlas_text",
    "audit_page",
    "audit_text",
    "comparison_text",
    "draw_atlas",
    "draw_plan",
    "epoch_rows",
    "group_text",
    "outcome_notes",
    "pick_cases",
    "plan_text",
    "protocol_text",
    "rates_by_epoch",
    "score_text",
    "scores_csv",
    "scores_latex",
    "scores_markdown",
    "spending_text",
]
