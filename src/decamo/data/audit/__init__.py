"""What is in a data set and what is wrong with it, said before anyone trains or scores on it."""

from decamo.data.audit.audit import Audit, SetMeaning, audit_data, previews
from decamo.data.audit.findings import SEVERITIES, Copy, Finding
from decamo.data.audit.summary import QUANTILES, AuditSummary, size_label

__all__ = [
    "QUANTILES",
    "SEVERITIES",
    "Audit",
    "AuditSummary",
    "Copy",
    "Finding",
    "SetMeaning",
    "audit_data",
    "previews",
    "size_label",
]
