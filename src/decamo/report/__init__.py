"""Sentences and pictures for people.

Here is what a plan needs; tables of scores, pictures, pages and the console are taken from
their own modules, each of which loads what it draws with.
"""

from decamo.report.plan_text import epoch_rows, plan_text, rates_by_epoch, spending_text

__all__ = [
    "epoch_rows",
    "plan_text",
    "rates_by_epoch",
    "spending_text",
]
