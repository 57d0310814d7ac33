"""Sentences and pictures for people."""

from decamo.report.audit_page import audit_page
from decamo.report.audit_text import audit_text
from decamo.report.console import Console
from decamo.report.plan_picture import draw_plan
from decamo.report.plan_text import epoch_rows, plan_text, rates_by_epoch
from decamo.report.spending_text import duration, spending_text
from decamo.report.tensorboard import TensorBoard

__all__ = [
    "Console",
    "TensorBoard",
    "audit_page",
    "audit_text",
    "draw_plan",
    "duration",
    "epoch_rows",
    "plan_text",
    "rates_by_epoch",
    "spending_text",
]
